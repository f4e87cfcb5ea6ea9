"""Methods by name, with the types of their parameters as the XML-RPC layer checks them.

A signature names the parameters after the session: `i` integer, `s` string, `b`
boolean, `a` array; what follows `|` may be left out. The library under OpenNebula
checks each parameter as it is read, so a wrong type is a fault, one too many is not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

from farmctl.embedded.refusal import Fault
from farmctl.embedded.wire import NO_METHOD, WRONG_TYPE, Param

P = ParamSpec("P")
Answer = int | str
_WORDS = {"i": "integer", "s": "a string", "b": "boolean", "a": "an array"}
_TYPES: dict[str, type] = {"i": int, "s": str, "b": bool, "a": list}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method: what runs it and what it takes."""

    function: Callable[..., Answer]
    required: str
    optional: str

    def arguments(self, params: list[Param]) -> list[Any]:
        """Check parameters and return those that the method reads.

        Raises:
            Fault: one is missing or of another type (-501).
        """
        if len(params) < len(self.required):
            raise Fault(WRONG_TYPE, "Not enough parameters")
        signature = self.required + self.optional
        read: list[Any] = []
        for wanted, param in zip(signature, params, strict=False):
            kind = _TYPES[wanted]
            good = isinstance(param, kind)
            if kind is int:
                good = good and not isinstance(param, bool)
            if not good:
                raise Fault(
                    WRONG_TYPE,
                    f"Parameter that is supposed to be {_WORDS[wanted]} is not",
                )
            read.append(param)
        return read


METHODS: dict[str, Method] = {}


def method(
    name: str, signature: str = ""
) -> Callable[[Callable[P, Answer]], Callable[P, Answer]]:
    """Register a function as the method `name`."""
    required, _, optional = signature.partition("|")

    def register(function: Callable[P, Answer]) -> Callable[P, Answer]:
        METHODS[name] = Method(function=function, required=required, optional=optional)
        return function

    return register


def find(name: str) -> Method:
    """Return a method.

    Raises:
        Fault: there is none of that name (-506).
    """
    found = METHODS.get(name)
    if found is None:
        raise Fault(NO_METHOD, f"Method '{name}' not defined")
    return found
