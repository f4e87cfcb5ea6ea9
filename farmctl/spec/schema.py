"""JSON Schema of the two files, for editors that check and complete while one types.

The schema knows each field; the rules between fields are told by `farmctl validate`.
"""

from typing import Any, Literal, TypeAlias

from farmctl.spec import document, starter
from farmctl.spec.farm import Farm
from farmctl.spec.site import Site

Which: TypeAlias = Literal["farm", "site"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(which: Which) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of farm files or of site files."""
    model, example = (Farm, starter.FARM) if which == "farm" else (Site, starter.SITE)
    schema = model.model_json_schema(by_alias=True, mode="validation")
    _tidy(schema)
    return {
        "$schema": DIALECT,
        **schema,
        "title": f"farmctl {which} file",
        "examples": [document.compose(example, file=f"{which}.yaml").values],
    }


def _tidy(part: object) -> None:
    """Put each description on one line and drop the titles made from field names."""
    match part:
        case dict():
            if isinstance(part.get("description"), str):
                part["description"] = " ".join(part["description"].split())
            if isinstance(part.get("title"), str) and "properties" not in part:
                del part["title"]
            for inner in part.values():
                _tidy(inner)
        case list():
            for inner in part:
                _tidy(inner)
        case _:
            pass
