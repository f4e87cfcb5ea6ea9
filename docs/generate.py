"""Write the reference of the two files from their JSON Schema, and that of simulate.

`python docs/generate.py` writes `docs/reference/{farm,site}-file.md` and `simulate.md`;
tests hold that what is committed is what it writes.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from farmctl.cli.commands.simulate import command
from farmctl.simulate.peers import timeouts
from farmctl.simulate.peers.catalogue import PEERS
from farmctl.simulate.synthetic import KINDS
from farmctl.spec import json_schema

FOLDER = Path(__file__).parent / "reference"
PEERS_SAID = {
    "clues": timeouts.clues,
    "slurm": timeouts.slurm_power_save,
    "karpenter": timeouts.karpenter,
    "karpenter-30": timeouts.karpenter,
}
"""Rules that are one class with other numbers, and who says what they do."""

TITLES = {"farm": "The farm file", "site": "The site file"}


def text(kind: str) -> str:
    """Return the reference page of a kind of file."""
    schema = json_schema(kind)
    lines = [
        f"# {TITLES[kind]}",
        "",
        "Written from `farmctl schema " + kind + "` by `docs/generate.py`.",
        "",
        str(schema["description"]),
        "",
        *_table(schema),
    ]
    for name, part in sorted(schema["$defs"].items()):
        if "enum" in part:
            lines += [
                "",
                f"## {name}",
                "",
                f"One of {_type(part)}. {part.get('description', '')}".rstrip(),
            ]
        for each in _objects(part):
            said = str(each.get("description", part.get("description", "")))
            lines += ["", f"## {name}", "", said, "", *_table(each)]
    return "\n".join(lines) + "\n"


def simulate() -> str:
    """Return the reference page of `farmctl simulate`: its options and its rules."""
    lines = [
        "# farmctl simulate",
        "",
        "Written from the command itself by `docs/generate.py`. What the figures mean:",
        "[Simulation](../explanation/simulation.md).",
        "",
        "| option | what it says |",
        "| --- | --- |",
    ]
    context = click.Context(command, info_name="simulate")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            record = parameter.get_help_record(context)
            if record is not None:
                option, said = (part.replace("|", "\\|") for part in record)
                lines.append(f"| `{option}` | {said} |")
    lines += [
        "",
        "## Made-up work",
        "",
        "`--synthetic KIND:SEED` draws it; the same seed gives the same jobs.",
        "",
        "| kind | slots of a node | what it is |",
        "| --- | --- | --- |",
    ]
    for name, kind in KINDS.items():
        lines.append(
            f"| `{name}` | {kind.slots} | {kind.says[:1].upper()}{kind.says[1:]} |"
        )
    lines += [
        "",
        "## The rules of other projects",
        "",
        "| name | rule | what it does |",
        "| --- | --- | --- |",
    ]
    for name, make in PEERS.items():
        policy = make()
        said = inspect.getdoc(PEERS_SAID.get(name, type(policy))) or ""
        first = " ".join(said.partition("\n\n")[0].split()).removeprefix("Return ")
        lines.append(f"| `{name}` | {policy.name} | {first} |")
    return "\n".join(lines) + "\n"


def _objects(part: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    if "properties" in part:
        yield part
    for each in part.get("anyOf", []):
        yield from _objects(each)


def _table(schema: Mapping[str, object]) -> list[str]:
    required = schema.get("required", [])
    rows = [
        "| key | what it takes | default | what it says |",
        "| --- | --- | --- | --- |",
    ]
    for name, each in schema["properties"].items():
        default = "must be given" if name in required else _default(each)
        said = str(each.get("description", "")).replace("|", "\\|")
        rows.append(f"| `{name}` | {_type(each)} | {default} | {said} |")
    return rows


def _default(each: Mapping[str, object]) -> str:
    value = each.get("default")
    return "" if value is None else f"`{json.dumps(value)}`"


def _type(each: Mapping[str, object]) -> str:
    if "$ref" in each:
        name = str(each["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in each:
        kinds = [_type(one) for one in each["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in each:
        return ", ".join(f"`{value}`" for value in each["enum"])
    if "const" in each:
        return f"`{each['const']}`"
    if "patternProperties" in each:
        inner = next(iter(each["patternProperties"].values()))
        return f"names, each with {_type(inner)}"
    if isinstance(each.get("additionalProperties"), Mapping):
        return f"names, each with {_type(each['additionalProperties'])}"
    if each.get("type") == "array":
        return f"a list of {_type(each['items'])}"
    examples = each.get("examples", [])
    shown = ", ".join(f"`{value}`" for value in examples[:3])
    kind = {
        "integer": "a number",
        "number": "a number",
        "boolean": "`true` or `false`",
    }.get(str(each.get("type")), "text")
    return f"{kind} such as {shown}" if shown else kind


def main() -> None:
    """Write all pages."""
    for kind in TITLES:
        (FOLDER / f"{kind}-file.md").write_text(text(kind))
    (FOLDER / "simulate.md").write_text(simulate())


if __name__ == "__main__":
    main()
