"""Which playbook configures a farm, and which files belong to it.

A relative name begins where the site file is, also a farm's: whoever knows the site can
go on with a farm that somebody else applied from a file elsewhere. A name that is not
there is looked for among the playbooks that farmctl brings along.

A playbook runs with the rights of whoever runs farmctl, and a farm's document is its
owner's to write: so a farm names only what lies in the site file's folder. The site
file itself may name any.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from farmctl import assets
from farmctl.errors import InputError, Mistake
from farmctl.spec import Farm, Site

NONE = "none"
"""A farm that the site's playbook is not for."""

BESIDE = (
    "callback_plugins",
    "collections",
    "files",
    "filter_plugins",
    "group_vars",
    "host_vars",
    "library",
    "lookup_plugins",
    "module_utils",
    "roles",
    "tasks",
    "templates",
    "test_plugins",
    "vars",
)
"""The folders beside a playbook in which Ansible looks by itself."""

_FILES = ("ansible.cfg", "requirements.yml")
_NO_CONTENT = ("__pycache__", ".git", ".ansible")


def located(farm: Farm, site: Site) -> Path | None:
    """Return the playbook that configures a farm, None if nothing does.

    Raises:
        InputError: it is not there, or no file, or none that a farm may name.
    """
    named = site.playbook if farm.playbook is None else farm.playbook
    if named is None or named == NONE or site.login is None:
        return None
    path = Path(os.path.expanduser(named))  # noqa: PTH111 - pathlib's raises instead
    folder = Path(site.origin.file).parent if site.origin.file else Path()
    tried = [path if path.is_absolute() else folder.absolute() / path]
    if not path.is_absolute() and "/" not in named:
        tried.append(shipped() / path)
    own = farm.playbook is not None
    if own and not tried[0].resolve().is_relative_to(folder.resolve()):
        raise _mistake(
            farm,
            site,
            f"{named} is not in the site file's folder, {folder.absolute()}.",
            "A playbook runs on this machine with your rights, so a farm may name only "
            "what lies there; the site file may name any.",
        )
    for each in tried:
        if each.is_file():
            return each
    raise _mistake(
        farm,
        site,
        f"there is no {tried[0]}.",
        "A relative name begins where the site file is; write site.yml for the "
        "playbook that farmctl brings along.",
    )


def _mistake(farm: Farm, site: Site, message: str, hint: str) -> InputError:
    own = farm.playbook is not None
    written = farm if own else site
    line, column = written.origin.place("playbook")
    return InputError(
        [
            Mistake(
                file=written.origin.file or (f"farm {farm.name}" if own else "site"),
                line=line,
                column=column,
                path="playbook",
                message=message,
                hint=hint,
            )
        ]
    )


def mistakes(farm: Farm, site: Site) -> list[Mistake]:
    """Return the mistake in naming the farm's playbook, if there is one."""
    try:
        located(farm, site)
    except InputError as error:
        return list(error.mistakes)
    return []


def shipped() -> Path:
    """Return the folder of the playbooks that farmctl brings along."""
    return assets.path("playbooks")


def content(playbook: Path) -> Iterator[tuple[str, Path]]:
    """Give every file that a playbook rests on, with a name that is no one machine's.

    The playbook, those that it imports by name, the folders beside it that Ansible
    looks into, and what farmctl brings along, as its roles may be used by any.
    """
    ours = shipped()
    folders = {"ours": ours}
    if playbook.parent.resolve() != ours.resolve():
        folders["own"] = playbook.parent
    for where, folder in folders.items():
        for name in BESIDE:
            for path in _files(folder / name):
                yield f"{where}/{path.relative_to(folder)}", path
        for name in _FILES:
            if (folder / name).is_file():
                yield f"{where}/{name}", folder / name
    for each in _imported(playbook, set()):
        yield f"playbook/{os.path.relpath(each, playbook.parent)}", each


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and not set(path.parts) & set(_NO_CONTENT):
            yield path


def _imported(playbook: Path, seen: set[Path]) -> Iterator[Path]:
    """Give a playbook, and the files that it names as import_playbook and vars_files.

    One that cannot be read is given, and followed no further: Ansible will say why.
    """
    if playbook in seen or not playbook.is_file():
        return
    seen.add(playbook)
    yield playbook
    try:
        plays = yaml.load(playbook.read_bytes(), _Loader)  # noqa: S506 - a safe one
    except (yaml.YAMLError, OSError, ValueError):
        return
    for play in plays if isinstance(plays, list) else ():
        for name in _named(play):
            yield from _imported(playbook.parent / name, seen)


def _named(play: object) -> Iterator[str]:
    if not isinstance(play, dict):
        return
    for key in ("import_playbook", "ansible.builtin.import_playbook", "vars_files"):
        value = play.get(key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and "{" not in each:
                yield each


class _Loader(yaml.SafeLoader):
    """A safe loader to which Ansible's own tags are nothing."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)
