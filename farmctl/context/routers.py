"""A router's files in the flavour of its image: as texts, as one, and what changed.

The door to `openwrt` and `debian` for the rooms above, which know values and flavours
but no file of either.
"""

import difflib
from collections.abc import Mapping
from typing import assert_never

from farmctl.context import bundle, debian, openwrt
from farmctl.context import topics as told
from farmctl.context.rendering import LARGEST_VALUE
from farmctl.errors import NotPossibleError
from farmctl.model.router import RouterValues
from farmctl.spec.farm import Flavour


def files(flavour: Flavour, values: RouterValues) -> Mapping[str, str]:
    """Return the text of each of the router's files by its name.

    Equal values give equal text, to the byte.

    Raises:
        NotPossibleError: a value cannot stand in one of the files.
    """
    match flavour:
        case "openwrt":
            return openwrt.files(values)
        case "debian":
            return debian.files(values)
        case _:
            assert_never(flavour)


def command(flavour: Flavour) -> str:
    """Return the path of `farmctl-router` on a router of this flavour."""
    match flavour:
        case "openwrt":
            return openwrt.COMMAND
        case "debian":
            return debian.COMMAND
        case _:
            assert_never(flavour)


def variable(flavour: Flavour, values: RouterValues) -> Mapping[str, str]:
    """Return the variable of the context that carries the files: its name and text.

    The text is what `farmctl-router apply` takes as well.

    Raises:
        NotPossibleError: they are too large for a context, or cannot be rendered.
    """
    text = bundle.pack(files(flavour, values))
    if len(text) > LARGEST_VALUE:
        raise NotPossibleError(
            f"The router's files would fill {len(text)} bytes of its context; a node "
            f"takes {LARGEST_VALUE}.",
            hint="Name fewer forwards, or fewer networks in their `from`: a wider "
            "network stands for many.",
        )
    return {bundle.VARIABLE: text}


def differences(before: str, after: str) -> tuple[str, ...]:
    """Return the lines that differ between two texts that `variable` gave.

    Where the first is none of those, every line counts as new.
    """
    old = bundle.unpack(before) if readable(before) else {}
    return changes(old, bundle.unpack(after))


def topics(before: str, after: str) -> tuple[str, ...]:
    """Return in words what two texts that `variable` gave differ in, such as forwards.

    Empty where the first is none of those.
    """
    if not readable(before):
        return ()
    return told.topics(bundle.unpack(before), bundle.unpack(after))


def readable(text: str) -> bool:
    """Say whether a text is one that `variable` may have given."""
    try:
        return bool(bundle.unpack(text))
    except NotPossibleError:
        return False


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lines that differ, each as `FILE: + line` or `FILE: - line`.

    The script that rides with a Debian's files is told in one line, after all others:
    it says nothing of the farm.
    """
    found: list[str] = []
    for name in sorted({*before, *after} - {debian.SCRIPT}):
        old, new = before.get(name, "").splitlines(), after.get(name, "").splitlines()
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
        found += (
            f"{name}: {line[0]} {line[1:].strip()}"
            for line in lines
            if line[0] in "+-" and line[1:].strip()
        )
    if before.get(debian.SCRIPT) != after.get(debian.SCRIPT):
        found.append(f"{debian.SCRIPT}: another version of the script")
    return tuple(found)
