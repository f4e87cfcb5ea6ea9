"""Values to JSON and back, by their declared types, strictly.

What is read is only believed where it has exactly the declared form: the wrong type, an
unknown or missing field, an unknown kind of step are each a `Mismatch` with its path.
"""

import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, cast, get_args, get_origin, get_type_hints

from farmctl.model.attributes import Attributes, Kind, Ref, Scalar, Vector

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_IS = "is"
_ATTRIBUTES = Attributes


class Mismatch(ValueError):  # noqa: N818 - it is told to nobody under its own name
    """What was read is not of the declared form; `path` says where."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def encode(value: object, declared: Any) -> Json:
    """Return a value of the declared type as JSON."""
    if declared == _ATTRIBUTES:
        return _encode_attributes(cast("Attributes", value))
    match value:
        case Enum():
            return cast("str", value.value)
        case str() | bool() | int() | float() | None:
            return value
        case Mapping():
            inner = get_args(declared)[1]
            return {str(key): encode(item, inner) for key, item in value.items()}
        case Sequence():
            inner = get_args(declared)[0]
            return [encode(item, inner) for item in value]
        case _ if is_dataclass(value):
            kind = type(value)
            hints = _hints(cast("Hashable", kind))
            encoded: dict[str, Json] = {_IS: kind.__name__}
            for field in fields(value):
                encoded[field.name] = encode(
                    getattr(value, field.name), hints[field.name]
                )
            return encoded
        case _:
            message = f"{value!r} has no place in a plan"
            raise TypeError(message)


def decode(value: Json, declared: Any, path: str = "") -> Any:
    """Return the value of the declared type that JSON stands for.

    Raises:
        Mismatch: it stands for none.
    """
    if declared == _ATTRIBUTES:
        return _decode_attributes(value, path)
    origin = get_origin(declared)
    if origin in {types.UnionType, typing.Union}:
        return _decode_union(value, get_args(declared), path)
    if origin is tuple:
        inner = get_args(declared)[0]
        return tuple(
            decode(item, inner, f"{path}[{index}]")
            for index, item in enumerate(_expect(value, list, path))
        )
    if origin is not None and issubclass(origin, Mapping):
        inner = get_args(declared)[1]
        return {
            key: decode(item, inner, f"{path}.{key}")
            for key, item in _expect(value, dict, path).items()
        }
    if is_dataclass(declared):
        return _decode_dataclass(value, cast("type[Any]", declared), path)
    if issubclass(declared, Enum):
        try:
            return declared(_expect(value, str, path))
        except ValueError:
            known = ", ".join(repr(each.value) for each in declared)
            raise Mismatch(path, f"{value!r} is none of {known}") from None
    if declared is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(value, declared, path)


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(cast("type[Any]", kind))


def _decode_union(value: Json, options: tuple[Any, ...], path: str) -> Any:
    if value is None and types.NoneType in options:
        return None
    kinds = {
        each.__name__: each
        for each in options
        if isinstance(each, type) and is_dataclass(each)
    }
    if kinds:
        name = _expect(value, dict, path).get(_IS)
        if not isinstance(name, str) or name not in kinds:
            raise Mismatch(path, f"{name!r} is none of {', '.join(sorted(kinds))}")
        return decode(value, kinds[name], path)
    (only,) = (each for each in options if each is not types.NoneType)
    return decode(value, only, path)


def _decode_dataclass(value: Json, declared: type[Any], path: str) -> Any:
    encoded = dict(_expect(value, dict, path))
    if encoded.pop(_IS, None) != declared.__name__:
        raise Mismatch(path, f"is no {declared.__name__}")
    hints = _hints(cast("Hashable", declared))
    known = {field.name: field for field in fields(declared)}
    for name in encoded:
        if name not in known:
            raise Mismatch(f"{path}.{name}", "is not known")
    for name, field in known.items():
        optional = field.default is not MISSING or field.default_factory is not MISSING
        if name not in encoded and not optional:
            raise Mismatch(f"{path}.{name}", "is missing")
    return declared(
        **{
            name: decode(item, hints[name], f"{path}.{name}")
            for name, item in encoded.items()
        }
    )


def _encode_attributes(attributes: Attributes) -> Json:
    encoded: dict[str, Json] = {}
    for name, value in attributes.items():
        match value:
            case str() | Ref():
                encoded[name] = _encode_scalar(value)
            case Mapping():
                encoded[name] = {"vector": _encode_vector(value)}
            case _:
                encoded[name] = [_encode_vector(each) for each in value]
    return encoded


def _encode_vector(vector: Vector) -> dict[str, Json]:
    return {key: _encode_scalar(value) for key, value in vector.items()}


def _encode_scalar(value: Scalar) -> Json:
    if isinstance(value, Ref):
        return {"ref": [value.kind.value, value.name]}
    return value


def _decode_attributes(value: Json, path: str) -> Attributes:
    decoded: dict[str, Scalar | Vector | Sequence[Vector]] = {}
    for name, item in _expect(value, dict, path).items():
        here = f"{path}.{name}"
        match item:
            case {"vector": inner, **rest} if not rest:
                decoded[name] = _decode_vector(inner, here)
            case list():
                decoded[name] = tuple(
                    _decode_vector(each, f"{here}[{index}]")
                    for index, each in enumerate(item)
                )
            case _:
                decoded[name] = _decode_scalar(item, here)
    return decoded


def _decode_vector(value: Json, path: str) -> Vector:
    return {
        key: _decode_scalar(item, f"{path}.{key}")
        for key, item in _expect(value, dict, path).items()
    }


def _decode_scalar(value: Json, path: str) -> Scalar:
    match value:
        case str():
            return value
        case {"ref": [str(kind), str(name)], **rest} if not rest:
            return Ref(kind=decode(kind, Kind, path), name=name)
        case _:
            raise Mismatch(path, "is neither a text nor a reference")


_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _expect(value: Json, declared: type[Any], path: str) -> Any:
    wrong_bool = isinstance(value, bool) and declared is not bool
    if wrong_bool or not isinstance(value, declared):
        raise Mismatch(path, f"is not {_NAMES[declared]}")
    return value
