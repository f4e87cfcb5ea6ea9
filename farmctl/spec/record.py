"""The declared farm as OpenNebula keeps it: plain JSON with a version.

Every default is written out, so that a record means the same under a later farmctl
whose defaults are others. Where it is put, and in what coding, is the cloud's business.
"""

from typing import TypeAlias, cast

from pydantic import ValidationError

from farmctl.errors import InputError, Mistake
from farmctl.spec import wording
from farmctl.spec.document import unplaced
from farmctl.spec.farm import Farm

VERSION = 1

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_ORDER = "pools"

_FILE = "the farm's record in OpenNebula"


def canonical(farm: Farm) -> dict[str, Json]:
    """Return the farm as JSON; two farms that say the same give the same."""
    dumped = farm.model_dump(mode="json", by_alias=True, exclude_none=True)
    # Which pool comes first says where jobs go; what keeps JSON may sort its keys.
    order = cast("Json", list(farm.pools))
    return {"v": VERSION, "farm": cast("Json", dumped), _ORDER: order}


def from_canonical(record: object) -> Farm:
    """Return the farm that a record holds.

    Raises:
        InputError: If it is none, is damaged, or was written by a later farmctl.
    """
    if not isinstance(record, dict) or not isinstance(record.get("v"), int):
        raise _refusal("is no record of a farm.")
    if record["v"] != VERSION:
        raise _refusal(
            f"has version {record['v']}; this farmctl reads version {VERSION}.",
            "Use the farmctl that applied the farm last, or a later one.",
        )
    values = record.get("farm")
    if not isinstance(values, dict):
        raise _refusal("is no record of a farm.")
    try:
        return Farm.model_validate(_ordered(values, record.get(_ORDER)))
    except ValidationError as error:
        nowhere = unplaced(values, file=_FILE)
        raise InputError(
            wording.mistakes(error, nowhere, Farm) + wording.told_rules(error, nowhere)
        ) from error


def _ordered(values: dict[str, Json], order: object) -> dict[str, Json]:
    """Return the farm with its pools as they stood in its file, as far as is known."""
    pools = values.get("pools")
    if not isinstance(pools, dict) or not isinstance(order, list):
        return values
    known = {
        name: pools[name] for name in order if isinstance(name, str) and name in pools
    }
    return {**values, "pools": known | pools}


def _refusal(message: str, hint: str = "") -> InputError:
    return InputError([Mistake(file=_FILE, message=message, hint=hint)])
