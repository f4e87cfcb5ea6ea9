"""XML-RPC on the wire: a call's body to values, an answer's values to a body.

Own code for two reasons: an answer of ten megabytes is one string that has to be
escaped and nothing more, and what the XML-RPC layer refuses has to sound like the
library under OpenNebula, its odd counting of bytes included.
"""

from typing import NamedTuple

from lxml import etree

from farmctl.embedded.refusal import Fault

NOT_A_CALL = -503
WRONG_TYPE = -501
NO_METHOD = -506

Param = str | int | bool | float | list["Param"] | dict[str, "Param"] | None
_LAST_BMP = 0xFFFF


class Call(NamedTuple):
    """A decoded call: the method's name and its parameters, the session first."""

    method: str
    params: list[Param]


class Long(int):
    """An integer that travels as `i8`, as OpenNebula's replication index does."""


def decode(body: bytes) -> Call:
    """Decode the body of a call.

    Raises:
        Fault: it is no XML-RPC call (-503).
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise _not_a_call(f"Call is not valid XML.  {error.msg}") from None
    name = root.findtext("methodName")
    if root.tag != "methodCall" or not name:
        raise _not_a_call("XML element should be of type <methodCall>")
    values = [_value(param.find("value")) for param in root.iterfind("params/param")]
    return Call(name.strip(), values)


def answer(values: list[object]) -> bytes:
    """Encode an answer that OpenNebula gives: always an array."""
    inner = "".join(f"<value>{_encoded(value)}</value>" for value in values)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n'
        f"<param><value><array><data>{inner}</data></array></value></param>\r\n"
        "</params>\r\n</methodResponse>\r\n"
    ).encode()


def fault(error: Fault) -> bytes:
    """Encode a fault of the XML-RPC layer."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<fault>\r\n'
        "<value><struct><member><name>faultCode</name>"
        f"<value><i4>{error.code}</i4></value></member>"
        "<member><name>faultString</name>"
        f"<value><string>{_escaped(error.message)}</string></value></member>"
        "</struct></value>\r\n</fault>\r\n</methodResponse>\r\n"
    ).encode()


def _not_a_call(reason: str) -> Fault:
    return Fault(NOT_A_CALL, f"Call XML not a proper XML-RPC call.  {reason}")


def _value(element: etree._Element | None) -> Param:
    if element is None:
        raise _not_a_call("<param> element has no <value> child.")
    child = next(element.iterchildren(tag=etree.Element), None)
    if child is None:
        return _string(element.text or "")
    text = (child.text or "").strip()
    match child.tag:
        case "string":
            return _string(child.text or "")
        case "int" | "i4" | "i8":
            return _integer(text)
        case "boolean":
            if text not in ("0", "1"):
                raise _not_a_call(f"<boolean> element content is {text!r}")
            return text == "1"
        case "double":
            try:
                return float(text)
            except ValueError:
                raise _not_a_call(f"<double> element content is {text!r}") from None
        case "array":
            return [_value(item) for item in child.iterfind("data/value")]
        case "struct":
            return {
                member.findtext("name") or "": _value(member.find("value"))
                for member in child.iterfind("member")
            }
        case "nil":
            return None
        case _ as unknown:
            raise _not_a_call(f"Unknown value type -- XML element is named <{unknown}>")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _not_a_call(f"XML element content {text!r} is not an integer") from None


def _string(text: str) -> str:
    for character in text:
        if ord(character) > _LAST_BMP:
            raise _not_a_call(
                f"{len(text.encode())}-byte supposed UTF-8 string is not valid UTF-8.  "
                "UTF-8 string contains a character not in the Basic Multilingual Plane "
                f"(first byte 0xffffff{character.encode()[0]:02x})"
            )
    return text


def _encoded(value: object) -> str:
    match value:
        case bool():
            return f"<boolean>{int(value)}</boolean>"
        case Long():
            return f"<i8>{int(value)}</i8>"
        case int():
            return f"<i4>{value}</i4>"
        case str():
            return f"<string>{_escaped(value)}</string>"
        case _:
            raise TypeError(f"{type(value).__name__} is no value of an answer")


def _escaped(text: str) -> str:
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\r", "&#x0d;")
    )
