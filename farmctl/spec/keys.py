"""Which keys the files know, and where: read off the models.

`wording` asks for hints, `drafts` for what a misspelt key was meant to be.
"""

import typing
from types import UnionType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from farmctl.spec.base import Loc


def known_keys(model: type[BaseModel], loc: Loc) -> list[str]:
    """Return the keys that the part of a file at `loc` may have."""
    part = _model_at(model, loc)
    return [] if part is None else list(_fields(part))


def homes(model: type[BaseModel], key: str, path: str = "") -> list[str]:
    """Return the dotted paths of the parts of a file that know `key`."""
    found = [path] if key in _fields(model) else []
    for name, info in _fields(model).items():
        inner = _inner(info.annotation)
        if inner is not None:
            step = f"{path}.{name}" if path else name
            if typing.get_origin(_bare(info.annotation)) is not None:
                step += "[]" if _is_tuple(info.annotation) else ".NAME"
            found += homes(inner, key, step)
    return found


def description(model: type[BaseModel], loc: Loc) -> str:
    """Return what a field is for, to say what is missing."""
    part = _model_at(model, loc[:-1])
    if part is None:
        return ""
    info = _fields(part).get(str(loc[-1]))
    return " ".join((info.description or "").split()) if info else ""


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the name that is written."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """Return the model of the part of a file at `loc`, None if it has none."""
    part: type[BaseModel] | None = model
    inside = False  # `loc` has entered a mapping or list of parts: its key comes next
    for key in loc:
        if part is None:
            return None
        if inside:
            inside = False
            continue
        info = _fields(part).get(str(key))
        if info is None:
            return None
        part = _inner(info.annotation)
        inside = typing.get_origin(_bare(info.annotation)) is not None
    return None if inside else part


def _inner(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside a field's type: itself, or that of its items."""
    bare = _bare(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return bare
    for inner in typing.get_args(bare):
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return None


def _bare(annotation: Any) -> Any:
    """Return a type without `| None` and `Annotated`."""
    if typing.get_origin(annotation) in (UnionType, typing.Union):
        left = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
        return _bare(left[0])
    if typing.get_origin(annotation) is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    return annotation


def _is_tuple(annotation: Any) -> bool:
    return typing.get_origin(_bare(annotation)) is tuple
