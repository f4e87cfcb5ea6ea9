"""XML answers as elements: parsing, and reading texts and numbers from them.

Strict about XML that is broken (`BadAnswerError`), tolerant of elements that are
missing: versions and drivers differ in what they show.
"""

import io
from collections.abc import Iterator
from typing import cast

from lxml import etree

from farmctl.errors import BadAnswerError
from farmctl.model.attributes import Attributes

_OURS_OR_ELSEWHERE = frozenset({"FARMCTL", "AR"})


def parse(method: str, text: str) -> etree._Element:
    """Parse one answer whole.

    Raises:
        BadAnswerError: it is not well-formed.
    """
    try:
        return etree.fromstring(_bytes(method, text), _parser())
    except etree.XMLSyntaxError as error:
        raise _broken(method) from error


def each(method: str, text: str, pool: str, tag: str) -> Iterator[etree._Element]:
    """Yield the `tag` elements of a pool one by one; each is gone when the next comes.

    Raises:
        BadAnswerError: the answer is not well-formed, or is no `pool`.
    """
    source = io.BytesIO(_bytes(method, text))
    try:
        context = etree.iterparse(
            source,
            events=("start", "end"),
            tag=(pool, tag),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
        )
        root: etree._Element | None = None
        for event, element in context:
            if root is None:
                root = element
            elif event == "end" and element.getparent() is root:
                yield element
                element.clear()
                while (before := element.getprevious()) is not None:
                    root.remove(before)
    except etree.XMLSyntaxError as error:
        raise _broken(method) from error
    if root is None or root.tag != pool or root.getparent() is not None:
        raise BadAnswerError(
            f"{method} was answered with something that is no {pool}.",
            hint="Is this an OpenNebula of version 6.10 or later?",
        )


def text_of(element: etree._Element, path: str, default: str = "") -> str:
    """Return the text at `path`, or `default` if there is none."""
    return element.findtext(path) or default


def int_of(element: etree._Element, path: str, default: int = 0) -> int:
    """Return the whole number at `path`, or `default` if there is none."""
    return number(element.findtext(path), default)


def number(text: str | None, default: int = 0) -> int:
    """Return the whole number that `text` is, or `default` if it is none."""
    try:
        return int(text) if text else default
    except ValueError:
        return default


def float_of(element: etree._Element, path: str, default: float = 0.0) -> float:
    """Return the number at `path`, or `default` if there is none."""
    try:
        return float(element.findtext(path) or default)
    except ValueError:
        return default


def id_of(method: str, element: etree._Element) -> int:
    """Return the ID of an object.

    Raises:
        BadAnswerError: it has none, and so is no object of OpenNebula.
    """
    found = number(element.findtext("ID"), -1)
    if found < 0:
        raise BadAnswerError(f"{method} was answered with a {element.tag} without ID.")
    return found


def ids_of(element: etree._Element, path: str) -> frozenset[int]:
    """Return the numbers of all elements at `path`."""
    return frozenset(number(found.text, -1) for found in element.iterfind(path))


def attributes_of(template: etree._Element | None) -> Attributes:
    """Return a TEMPLATE as a tree of attributes.

    A name that occurs more than once gives a list in its order. farmctl's own tag is
    left out, and so are address ranges, which have elements of their own.
    """
    found: dict[str, object] = {}
    for child in template if template is not None else ():
        name = str(child.tag)
        if name in _OURS_OR_ELSEWHERE:
            continue
        value: object
        if len(child):
            value = {str(inner.tag): inner.text or "" for inner in child}
        else:
            value = child.text or ""
        match found.get(name):
            case None:
                found[name] = value
            case list() as several:
                several.append(value)
            case first:
                found[name] = [first, value]
    return cast("Attributes", found)


def scalars_of(template: etree._Element | None) -> dict[str, str]:
    """Return the plain attributes of a TEMPLATE; of a repeated name the first."""
    found: dict[str, str] = {}
    for child in template if template is not None else ():
        if not len(child):
            found.setdefault(str(child.tag), child.text or "")
    return found


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def _bytes(method: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _broken(method) from error


def _broken(method: str) -> BadAnswerError:
    return BadAnswerError(
        f"{method} was answered with XML that is broken.",
        hint="Look at this object in OpenNebula; some text in it may be to blame.",
    )
