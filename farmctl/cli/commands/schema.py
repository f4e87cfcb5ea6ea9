"""`farmctl schema`: JSON Schema for editors."""

import click

from farmctl.cli import terminal


@click.command(
    epilog="""\b
Examples:
  farmctl schema farm > farm.schema.json
\b
Then, as the first line of a farm file, for editors with a YAML language server:
  # yaml-language-server: $schema=farm.schema.json
"""
)
@click.argument("which", type=click.Choice(["farm", "site"]))
def command(which: str) -> None:
    """Print the JSON Schema (draft 2020-12) of farm files or of site files."""
    from farmctl.spec import json_schema  # noqa: PLC0415 - pydantic is heavy

    terminal.print_json(json_schema("site" if which == "site" else "farm"))
