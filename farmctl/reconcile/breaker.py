"""Breakers: a broken image or hypervisor is not tried again and again.

One per image and one per hypervisor, for the length of one run. An image of which
several nodes failed and none got ready is broken, wherever they were placed; a
hypervisor on which several failed is not used any more.
"""

import threading
from collections import Counter

TRIPS_AT = 3
"""Failures. Two may be one node's own (tried, and tried elsewhere); a third is not."""


class Breaker:
    """Counts failures by image and by hypervisor; asked from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._images: Counter[str] = Counter()
        self._hosts: Counter[int] = Counter()
        self._ready: set[str] = set()

    def ready(self, image: str) -> None:
        """A node of this image got ready: the image is good."""
        with self._guard:
            self._ready.add(image)

    def failed(self, image: str, host_id: int | None) -> None:
        """A node of this image failed on this hypervisor (None: on none yet)."""
        with self._guard:
            self._images[image] += 1
            if host_id is not None:
                self._hosts[host_id] += 1

    def image_is_broken(self, image: str) -> str:
        """Say why no more nodes of an image should be made; nothing if they should."""
        with self._guard:
            count = self._images[image]
            if count < TRIPS_AT or image in self._ready:
                return ""
        return f"{count} nodes of the image {image} failed and none got ready."

    def bad_hosts(self) -> frozenset[int]:
        """Return the hypervisors that are not used any more."""
        with self._guard:
            return frozenset(
                host for host, count in self._hosts.items() if count >= TRIPS_AT
            )
