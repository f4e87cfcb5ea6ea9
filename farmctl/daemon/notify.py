"""Word to systemd: that we are ready, that we live, that we stop.

The protocol is one datagram to the socket in $NOTIFY_SOCKET (`man sd_notify`); where
there is none, nothing is said.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Supervisor:
    """Whoever started us, if it wants to be told."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")

    def ready(self, status: str) -> None:
        """Say that the first look has succeeded."""
        self._tell(f"READY=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """Say that the loop turns."""
        self._tell(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Say that we end."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._path:
            return
        name = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            way.sendto(text.replace(os.linesep, "\n").encode(), name)
