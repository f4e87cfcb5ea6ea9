"""Names for completion: asked of the cloud in a second at most, else nothing.

Runs while somebody types: never starts an embedded cloud, never prints, never fails.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterable

import click

PATIENCE = 1.0
"""Seconds that a person waits for a completion."""


def farms(context: click.Context, incomplete: str) -> list[str]:
    """Return the names of farms that begin so."""

    def ask() -> Iterable[str]:
        from farmctl.assembly import worlds  # noqa: PLC0415 - may be slow, as all here

        with worlds.peek(_site(context), os.environ) as cloud:
            return sorted({each.tag.farm for each in cloud.documents() if each.tag})

    return _in_time(ask, incomplete)


def pools(context: click.Context, farm: str, incomplete: str) -> list[str]:
    """Return the names of the pools of a farm that begin so."""

    def ask() -> Iterable[str]:
        from farmctl.assembly import worlds  # noqa: PLC0415 - may be slow, as all here
        from farmctl.spec import from_canonical  # noqa: PLC0415 - likewise

        with worlds.peek(_site(context), os.environ) as cloud:
            for each in cloud.documents():
                if each.tag and each.tag.farm == farm and each.body:
                    return from_canonical(dict(each.body)).pools
        return ()

    return _in_time(ask, incomplete)


def nodes(context: click.Context, farm: str, incomplete: str) -> list[str]:
    """Return the nodes of a farm that begin so: short names, or full ones if meant."""

    def ask() -> Iterable[str]:
        from farmctl.assembly import worlds  # noqa: PLC0415 - may be slow, as all here
        from farmctl.model.guests import guests  # noqa: PLC0415 - likewise

        with worlds.peek(_site(context), os.environ) as cloud:
            names = [each.name for each in guests(cloud.look().farm(farm))]
        full = incomplete.startswith(f"{farm}-")
        return names if full else [name.removeprefix(f"{farm}-") for name in names]

    return _in_time(ask, incomplete)


def _site(context: click.Context) -> str | None:
    own = context.params.get("own_site")
    if isinstance(own, str):
        return own
    root = context.find_root()
    return root.params.get("site_file")


def _in_time(ask: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def run() -> None:
        try:
            found = [each for each in ask() if each.startswith(incomplete)]
        except BaseException:  # noqa: BLE001 - whatever it is, completion says nothing
            found = []
        answers.put(found)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answers.get(timeout=PATIENCE)
    except queue.Empty:
        return []
