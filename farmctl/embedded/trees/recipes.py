"""Recipes of image trees: what a folder such as `templates/images/debian-12` says.

A recipe is read and checksummed here; nothing is fetched or built. Two recipes with
the same checksum make the same tree, as far as Debian's mirror stands still.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from farmctl import assets
from farmctl.errors import InputError, Mistake, NotPossibleError
from farmctl.spec.suggestions import did_you_mean

FORMAT = "2"
"""Goes into every checksum: raised when the same recipe makes another tree."""

FILE = "recipe.yaml"
FINISH = "finish.sh"
FILES = "files"

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_KEYS = ("about", "suite", "extends", "packages", "disabled", "megabytes")
_LARGEST = 64 * 1024
_CHECKSUM = 12
_DEEPEST = 8
_USUAL_MEGABYTES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One layer of a tree: packages or files, on top of another or of nothing."""

    name: str
    suite: str
    """Debian's name of the release, such as `bookworm`."""
    base: "Recipe | None" = None
    packages: tuple[str, ...] = ()
    """Installed without what they merely recommend."""
    folder: Path | None = None
    """Whose `files` are laid over the tree, and whose `finish.sh` runs in it then."""
    disabled: tuple[str, ...] = ()
    """Services that are installed and wait: started by hand or by Ansible."""
    megabytes: int
    """Disk space in MB that building it takes, at most."""
    checksum: str
    """Of all that goes in; twelve hexadecimal digits."""

    @property
    def key(self) -> str:
        """The name of the finished tree's folder."""
        return f"{self.name}-{self.checksum}"


def known() -> tuple[str, ...]:
    """Return the names of farmctl's own recipes."""
    folder = assets.path("templates", "images")
    return tuple(sorted(found.parent.name for found in folder.glob(f"*/{FILE}")))


def read(name: str, *, architecture: str) -> Recipe:
    """Read a recipe: one of farmctl's own by name, or any folder by absolute path.

    Raises:
        InputError: the recipe is wrong; every mistake at once.
        NotPossibleError: there is no such recipe.
    """
    return _read(name, beside=None, architecture=architecture, depth=0)


def _read(name: str, *, beside: Path | None, architecture: str, depth: int) -> Recipe:
    folder = _folder(name, beside)
    file = folder / FILE
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise NotPossibleError(
            f"The image recipe {file} cannot be read: {error.strerror}."
        ) from error
    entries = _entries(raw, file)
    if depth > _DEEPEST:
        raise InputError(
            [Mistake(file=str(file), path="extends", message="goes round in a circle.")]
        )
    base = None
    if "extends" in entries:
        base = _read(
            str(entries["extends"]),
            beside=folder,
            architecture=architecture,
            depth=depth + 1,
        )
    suite = str(entries["suite"]) if base is None else base.suite
    packages = tuple(entries.get("packages", ()))
    disabled = tuple(entries.get("disabled", ()))
    megabytes = int(entries.get("megabytes", _USUAL_MEGABYTES))
    # Packages are a layer of their own, so that a changed file costs seconds.
    ground = base
    if base is None or packages:
        ground = Recipe(
            name=f"{folder.name}-packages",
            suite=suite,
            base=base,
            packages=packages,
            megabytes=megabytes,
            checksum=_checksum(
                suite, architecture, base.checksum if base else "", *packages
            ),
        )
    assert ground is not None
    return Recipe(
        name=folder.name,
        suite=suite,
        base=ground,
        folder=folder,
        disabled=disabled,
        megabytes=megabytes,
        checksum=_checksum(ground.checksum, *disabled, *_contents(folder)),
    )


def _folder(name: str, beside: Path | None) -> Path:
    if name.startswith("/"):
        folder = Path(name)
    elif beside is not None and (beside.parent / name / FILE).is_file():
        folder = beside.parent / name
    else:
        if name not in known():
            raise NotPossibleError(
                f"There is no image recipe {name!r}.",
                hint=did_you_mean(name, known(), else_say="There are"),
            )
        folder = assets.path("templates", "images", name)
    if not (folder / FILE).is_file():
        raise NotPossibleError(
            f"{folder} is no image recipe: it has no {FILE}.",
            hint="docs/how-to/image-trees.md tells what a recipe is.",
        )
    folder = folder.resolve()
    if not _NAME.fullmatch(folder.name):
        raise NotPossibleError(
            f"An image recipe cannot be called {folder.name!a}.",
            hint="Lower-case letters, digits, dots and hyphens name a recipe's folder.",
        )
    return folder


def _entries(raw: bytes, file: Path) -> dict[str, Any]:
    def wrong(message: str, path: str = "", hint: str = "", line: int = 0) -> Mistake:
        return Mistake(
            file=str(file),
            line=line,
            column=1 if line else 0,
            path=path,
            message=message,
            hint=hint,
        )

    if len(raw) > _LARGEST:
        raise InputError([wrong(f"is larger than {_LARGEST // 1024} KiB.")])
    try:
        entries = yaml.safe_load(raw)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise InputError([wrong(f"{error.problem}.", line=line)]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError([wrong("is no YAML in UTF-8.")]) from error
    if not isinstance(entries, dict):
        raise InputError([wrong("holds no keys.", hint=f"Write {', '.join(_KEYS)}.")])
    mistakes = [
        wrong("is not known.", str(key), did_you_mean(str(key), _KEYS))
        for key in entries
        if key not in _KEYS
    ]
    if ("suite" in entries) == ("extends" in entries):
        mistakes.append(
            wrong(
                "has to name either a `suite` of Debian or the recipe that it "
                "`extends`.",
                hint="suite: bookworm",
            )
        )
    suite = entries.get("suite", "none")
    if not isinstance(suite, str) or not _NAME.fullmatch(suite):
        mistakes.append(wrong("is no name of a Debian release.", "suite"))
    if not isinstance(entries.get("extends", ""), str):
        mistakes.append(wrong("is no name of a recipe.", "extends"))
    megabytes = entries.get("megabytes", 1)
    if type(megabytes) is not int or megabytes < 1:
        mistakes.append(wrong("is no number of megabytes.", "megabytes"))
    for key, pattern, what in (
        ("packages", _PACKAGE, "package"),
        ("disabled", _SERVICE, "service"),
    ):
        names = entries.get(key, [])
        if not isinstance(names, list):
            mistakes.append(wrong(f"is no list of {what}s.", key))
            continue
        mistakes.extend(
            wrong(f"{name!a} is no name of a {what}.", key)
            for name in names
            if not isinstance(name, str) or not pattern.fullmatch(name)
        )
    if mistakes:
        raise InputError(mistakes)
    return entries


def _contents(folder: Path) -> Iterator[str | bytes]:
    """What of a recipe's folder goes into the tree, names and all."""
    for path in (folder / FINISH, *sorted((folder / FILES).rglob("*"))):
        if path.is_symlink():
            yield from ("link", str(path.relative_to(folder)), str(path.readlink()))
        elif path.is_file():
            yield from ("file", str(path.relative_to(folder)), path.read_bytes())


def _checksum(*parts: str | bytes) -> str:
    found = hashlib.sha256()
    for part in (FORMAT, *parts):
        raw = part.encode() if isinstance(part, str) else part
        found.update(b"%d:" % len(raw))
        found.update(raw)
    return found.hexdigest()[:_CHECKSUM]
