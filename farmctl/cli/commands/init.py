"""`farmctl init`: a site file and an example farm. Never writes over a file."""

import os
from pathlib import Path

import click

from farmctl.cli import terminal
from farmctl.cli.text import listed
from farmctl.errors import NotPossibleError


@click.command(
    epilog="""\b
Examples:
  farmctl init
  farmctl init /srv/farms && cd /srv/farms && farmctl plan example.yaml
"""
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path())
def command(folder: str) -> None:
    """Write site.yaml and example.yaml, both with comments, into DIR.

    As they stand they fit the embedded cloud. A file that is there already is never
    written over: then nothing is written at all.
    """
    from farmctl.spec import starter  # noqa: PLC0415 - pydantic is heavy

    place = Path(folder)
    files = {place / "site.yaml": starter.SITE, place / "example.yaml": starter.FARM}
    if there := [str(path) for path in files if os.path.lexists(path)]:
        verb = "is" if len(there) == 1 else "are"
        raise NotPossibleError(
            f"{listed(there)} {verb} there already; nothing was written.",
            hint="Name another folder: farmctl init DIR.",
        )
    place.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with path.open("x", encoding="utf-8") as stream:
            stream.write(content)
    terminal.say(f"Wrote {listed(str(path) for path in files)}.")
    where = "" if place == Path() else f"cd {place} && "
    terminal.say(f"Next: {where}farmctl plan example.yaml")
