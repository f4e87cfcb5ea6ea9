"""Where `templates/`, `playbooks/` and `inventories/` are.

In a checkout they stand beside the package, in an installed wheel under
`farmctl/_assets/`. This module alone knows that; whoever needs one of their files asks
here. It stands on the ground floor and raises Python's own errors.
"""

from pathlib import Path, PurePosixPath

FOLDERS = ("templates", "playbooks", "inventories")
"""The top-level folders that the wheel carries."""

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Return the folder that holds the three folders.

    Raises:
        FileNotFoundError: If neither a checkout nor an installation has them.
    """
    for candidate in (_PACKAGE / "_assets", _PACKAGE.parent):
        if any((candidate / folder).is_dir() for folder in FOLDERS):
            return candidate
    raise FileNotFoundError(
        f"farmctl's {', '.join(FOLDERS)} are neither in {_PACKAGE / '_assets'} nor in "
        f"{_PACKAGE.parent}. Install farmctl again."
    )


def path(*parts: str) -> Path:
    """Return the path of a file or folder, such as `path("templates", "head.sh.j2")`.

    Raises:
        FileNotFoundError: If it is not there; the message says where it was looked for.
        ValueError: If `parts` do not begin with one of the three folders or climb out.
    """
    wanted = PurePosixPath(*parts)
    if not wanted.parts or wanted.parts[0] not in FOLDERS or ".." in wanted.parts:
        raise ValueError(f"{str(wanted)!r} is not inside one of {', '.join(FOLDERS)}.")
    found = root() / wanted
    if not found.exists():
        raise FileNotFoundError(
            f"{wanted} is missing from farmctl: there is no {found}. "
            "Install farmctl again."
        )
    return found
