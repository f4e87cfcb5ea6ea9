"""The emitter against a reader of UCI text that is written here, after libuci's."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farmctl.context import uci
from farmctl.errors import NotPossibleError


def words(line):
    """Split a line as libuci does: quotes, backslashes, comments, white space."""
    found, current, quote = [], None, ""
    position = 0
    while position < len(line):
        char = line[position]
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"':
                position += 1
                current += line[position]
            else:
                current += char
        elif char in "'\"":
            quote, current = char, current or ""
        elif char == "\\":
            position += 1
            current = (current or "") + line[position]
        elif char in "#;":
            break
        elif char in " \t\r\v\f":
            if current is not None:
                found.append(current)
            current = None
        else:
            current = (current or "") + char
        position += 1
    assert not quote, "a quote is open at the end of the line"
    return found if current is None else [*found, current]


def read(text):
    """Return (type, name, {option: value or [values]}) of each section."""
    sections = []
    for line in text.split("\n"):
        match words(line):
            case []:
                continue
            case ["config", kind, name]:
                sections.append((kind, name, {}))
            case ["option", key, value]:
                assert key not in sections[-1][2]
                if value:
                    sections[-1][2][key] = value
            case ["list", key, value]:
                sections[-1][2].setdefault(key, []).append(value)
            case other:
                pytest.fail(f"no line of UCI: {other}")
    return sections


NAMES = st.from_regex(r"[A-Za-z0-9_]{1,12}", fullmatch=True)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            (
                *("'", "'\\''", '"', "\\", "\n", "\tlist x 'y'", "config a 'b'", "#"),
                *(";", "    ", "$(id)", "`id`", "\0", "\r", "\x1b", "\u2028", "é"),
            )
        ),
        max_size=8,
    ).map("".join),
)
VALUES = st.one_of(TEXTS, st.lists(TEXTS, max_size=4).map(tuple))
SECTIONS = st.lists(
    st.tuples(NAMES, NAMES, st.dictionaries(NAMES, VALUES, max_size=5)), max_size=5
)


@given(SECTIONS)
@example([("a", "b", {"c": "q'\n\toption evil 'yes"})])
@example([("a", "b", {"c": "a    b"})])
@example([("a", "b", {"c": ("'", "\\", '"#;')})])
@example([("a", "b", {"c": ""})])
@example([("a", "b", {"c": ()})])
def test_what_is_written_is_read_back_or_refused(sections):
    package = uci.Package(
        name="p",
        sections=tuple(
            uci.Section(type=kind, name=name, options=tuple(options.items()))
            for kind, name, options in sections
        ),
    )
    try:
        text = uci.render(package)
    except NotPossibleError:
        return
    assert read(text) == [
        (
            kind,
            name,
            {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in options.items()
                if value
            },
        )
        for kind, name, options in sections
    ]


@given(TEXTS)
def test_only_control_characters_and_nothing_are_refused(text):
    try:
        quoted = uci.quote(text)
    except NotPossibleError:
        assert not text or re.search(
            r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text
        )
        return
    assert words(quoted) == [text]
    assert "\n" not in quoted


@given(TEXTS)
def test_a_name_that_is_taken_is_a_word(text):
    try:
        name = uci.identifier("host", text)
    except NotPossibleError:
        return
    assert re.fullmatch(r"[A-Za-z0-9_]+", name)


def test_sections_options_and_lists_stand_in_their_order():
    text = uci.render(
        uci.Package(
            name="dhcp",
            sections=(
                uci.section("host", "b", name="it's b", dns=True, mac=("1", "2")),
                uci.section("dhcp", "a", ignore=False, limit=252, gone=None, none=()),
                uci.section("odd-type", "c"),
            ),
        )
    )
    assert text == (
        "config host 'b'\n"
        "\toption name 'it'\\''s b'\n"
        "\toption dns '1'\n"
        "\tlist mac '1'\n"
        "\tlist mac '2'\n"
        "\n"
        "config dhcp 'a'\n"
        "\toption ignore '0'\n"
        "\toption limit '252'\n"
        "\n"
        "config odd-type 'c'\n"
    )


@pytest.mark.parametrize("name", ["", "a-b", "a b", "é", "a'", "a\n", "a.b", "@a[0]"])
def test_a_name_that_uci_does_not_take_is_refused(name):
    for package in (
        uci.Package(name="p", sections=(uci.Section(type="t", name=name),)),
        uci.Package(
            name="p",
            sections=(uci.Section(type="t", name="s", options=((name, "v"),)),),
        ),
    ):
        with pytest.raises(NotPossibleError, match="cannot be a name"):
            uci.render(package)


@pytest.mark.parametrize("kind", ["", "a b", "'", "-a", "a\n"])
def test_a_type_that_uci_does_not_take_is_refused(kind):
    with pytest.raises(NotPossibleError, match="cannot be a name"):
        uci.render(uci.Package(name="p", sections=(uci.Section(type=kind, name="s"),)))


def test_two_sections_or_options_of_one_name_are_refused():
    twice = uci.section("t", "s")
    with pytest.raises(NotPossibleError, match="'s' stands twice in p"):
        uci.render(uci.Package(name="p", sections=(twice, twice)))
    with pytest.raises(NotPossibleError, match=r"'k' stands twice in p\.s"):
        uci.render(
            uci.Package(
                name="p",
                sections=(
                    uci.Section(type="t", name="s", options=(("k", "1"), ("k", "2"))),
                ),
            )
        )


@pytest.mark.parametrize("text", ["a\nb", "\0", "\t", "\x7f", "\u2028", "\ud800", ""])
def test_a_value_that_uci_cannot_hold_is_refused(text):
    with pytest.raises(NotPossibleError):
        uci.quote(text)


def test_a_long_name_is_cut_in_the_message():
    with pytest.raises(NotPossibleError, match=r"'x{39}\\u2026' cannot be a name"):
        uci.render(uci.Package(name="x" * 50 + "!"))
