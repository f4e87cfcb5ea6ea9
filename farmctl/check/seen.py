"""What a node or a router printed, and how to read it.

Each part of a node's answer holds what it `found`, or the `trouble` that kept it from
looking, and then nothing is said of it but that.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Seen = Mapping[str, Any]
"""One node's answer, as `templates/check/node.py` prints it."""


class Trouble(Exception):  # noqa: N818 - no error: the part was not looked at
    """A part that the node could not look at, and why."""


def found_in(seen: Seen, part: str) -> Any:
    """Return what a node found.

    Raises:
        Trouble: it could not look, or did not.
    """
    each = seen.get(part, {"trouble": "the node did not look"})
    if "trouble" in each:
        raise Trouble(f"{part}: {each['trouble']}")
    return each["found"]


@contextmanager
def believed_in_part() -> Iterator[None]:
    """Judge inside of this what a node says: it may say anything.

    Raises:
        Trouble: its answer is of no shape that a node in order gives.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Trouble("its answer makes no sense") from error


def answered(answer: str) -> bool:
    """Return whether a port is reached, whatever it said."""
    return answer in ("open", "refused")


def lines(text: str) -> Mapping[str, str]:
    """Return what `templates/check/router.sh` printed: NAME=VALUE, a line each."""
    found = (each.partition("=") for each in text.splitlines())
    return {name: value.strip() for name, equals, value in found if equals}
