"""`farmctl validate`: every mistake in site and farm files, without asking a cloud."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from farmctl import playbook, ssh
from farmctl.cli import documents, terminal
from farmctl.cli.failure import Ended, Exit
from farmctl.cli.options import complete_file, json_option, site_file, site_option
from farmctl.cli.text import counted
from farmctl.errors import InputError, Mistake
from farmctl.spec import Farm, Site, check, read_farm, read_site


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    file: str
    kind: Literal["site", "farm"]
    mistakes: tuple[Mistake, ...] = ()
    site: Site | None = None
    farm: Farm | None = None

    @property
    def name(self) -> str | None:
        found = self.site or self.farm
        return None if found is None else found.name


@click.command(
    epilog="""\b
Examples:
  farmctl validate alice-wn.yaml
  farmctl validate site.yaml *.yaml
  farmctl validate --json alice-wn.yaml | jq '.files[].mistakes'
"""
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, shell_complete=complete_file
)
@json_option
@site_option
def command(files: tuple[str, ...], own_site: str | None, *, as_json: bool) -> None:
    """Check site and farm files and name every mistake at once.

    Which of the two a file is, its first keys tell. Farms are held against the site
    among FILE..., else against the one that --site, $FARMCTL_SITE or ./site.yaml
    names, if there is one. No cloud is asked.

    Exit status: 0 all is well, 2 there are mistakes.
    """
    checked = [_check(file) for file in files]
    site = next((each.site for each in checked if each.site is not None), None)
    if site is None and any(each.farm is not None for each in checked):
        site, wrong = _site_beside(own_site)
        checked += wrong
    if site is not None:
        checked = [_against(each, site) for each in checked]
    if as_json:
        terminal.print_json(_json(checked))
    else:
        _show(checked, site)
    if any(each.mistakes for each in checked):
        raise Ended(Exit.USAGE)


def _check(file: str) -> _Checked:
    kind: Literal["site", "farm"] = "site" if _is_site(file) else "farm"
    try:
        if kind == "site":
            site = read_site(file)
            wrong = tuple(ssh.mistakes(site))
            return _Checked(file=file, kind=kind, site=site, mistakes=wrong)
        return _Checked(file=file, kind=kind, farm=read_farm(file))
    except InputError as error:
        return _Checked(file=file, kind=kind, mistakes=error.mistakes)


def _is_site(file: str) -> bool:
    """Tell a site file from a farm file by its keys, even when it is half right."""
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Path(file).stem == "site"
    keys = {line.partition(":")[0].strip() for line in text.splitlines() if line[:1]}
    farm, site = {"farm", "kind", "router", "pools"}, {"site", "hypervisors", "images"}
    if not keys & (farm | site):
        return Path(file).stem == "site"
    return len(keys & site) > len(keys & farm)


def _site_beside(own_site: str | None) -> tuple[Site | None, list[_Checked]]:
    import os  # noqa: PLC0415 - together with the assembly

    from farmctl.assembly import sites  # noqa: PLC0415 - when needed only

    try:
        path = sites.find(site_file(own_site), os.environ)
    except InputError:
        return None, []
    try:
        return read_site(path), []
    except InputError as error:
        wrong = _Checked(file=str(path), kind="site", mistakes=error.mistakes)
        return None, [wrong]


def _against(checked: _Checked, site: Site) -> _Checked:
    if checked.farm is None:
        return checked
    return _Checked(
        file=checked.file,
        kind=checked.kind,
        farm=checked.farm,
        mistakes=(
            *check(checked.farm, site),
            *playbook.mistakes(checked.farm, site),
        ),
    )


def _show(checked: list[_Checked], site: Site | None) -> None:
    console = terminal.out()
    for each in checked:
        for mistake in each.mistakes:
            terminal.line(console, terminal.shown(console, str(mistake)))
        if not each.mistakes:
            line = f"{each.file}  {each.kind} {each.name}: no mistake"
            if each.farm is not None and site is None:
                line += ", as far as can be said without a site file"
            terminal.line(console, terminal.shown(console, line))
    if number := sum(len(each.mistakes) for each in checked):
        terminal.say(f"{counted(number, 'mistake')}; nothing was sent to OpenNebula.")


def _json(checked: list[_Checked]) -> dict[str, Any]:
    return documents.head("validate") | {
        "ok": not any(each.mistakes for each in checked),
        "files": [
            {
                "file": each.file,
                "kind": each.kind,
                "name": each.name,
                "mistakes": [documents.mistake(one) for one in each.mistakes],
            }
            for each in checked
        ],
    }
