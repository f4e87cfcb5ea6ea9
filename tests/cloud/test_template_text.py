"""Values become text that OpenNebula reads back as they were, or are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.cloud.opennebula import text, tree
from farmctl.cloud.opennebula.text import UnwritableError
from farmctl.embedded import attributes as embedded
from farmctl.errors import NotPossibleError
from farmctl.model.attributes import Kind, Ref


def read_back(written: str):
    """Parse as OpenNebula does, show as OpenNebula shows, read as farmctl reads."""
    shown = embedded.parse(written).xml("TEMPLATE")
    return tree.attributes_of(tree.parse("one.document.info", shown))


def test_scalars_vectors_and_repeated_vectors():
    assert text.emit(
        {
            "CPU": "0.5",
            "CONTEXT": {"NETWORK": "YES", "TOKEN": "YES"},
            "NIC": [{"NETWORK": "a"}, {"NETWORK": "b", "IP": "192.0.2.1"}],
        }
    ) == (
        'CPU="0.5"\n'
        'CONTEXT=[NETWORK="YES",TOKEN="YES"]\n'
        'NIC=[NETWORK="a"]\n'
        'NIC=[NETWORK="b",IP="192.0.2.1"]'
    )


def test_an_empty_list_of_vectors_writes_nothing():
    assert text.emit({"NIC": []}) == ""


def test_quotes_are_escaped_and_nothing_else_is():
    written = text.emit({"A": 'say "hi"\\n [x=1],\n#no', "V": {"B": '\\"'}})
    assert written == 'A="say \\"hi\\"\\n [x=1],\n#no"\nV=[B="\\\\""]'
    assert read_back(written) == {"A": 'say "hi"\\n [x=1],\n#no', "V": {"B": '\\"'}}


def test_a_reference_is_written_as_its_id_once_it_is_known():
    group = Ref(kind=Kind.SECURITY_GROUP, name="taf")
    assert text.emit({"SECURITY_GROUPS": group}, {group: 104}) == (
        'SECURITY_GROUPS="104"'
    )
    with pytest.raises(UnwritableError, match="security group 'taf'") as caught:
        text.emit({"NIC": [{"SECURITY_GROUPS": group}]})
    assert caught.value.path == "NIC[0].SECURITY_GROUPS"


REFUSED = {
    "NUL": "a\0b",
    "control character": "a\x07b",
    "carriage return": "a\r\nb",
    "escape": "\x1b[31m",
    "emoji": "fox \N{FOX FACE}",
    "lone surrogate": "a\ud800",
    "non-character": "a\uffff",
    "blank before": " a",
    "newline after": "a\n",
    "only blank": "\t",
    "backslash at the end": "C:\\",
    "two backslashes at the end": "a\\\\",
    "end of CDATA": "a ]]> b",
    "too long": "x" * (1024 * 1024 + 1),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_survive_is_refused_with_its_path(what):
    with pytest.raises(UnwritableError) as caught:
        text.emit({"CONTEXT": {"GREETING": REFUSED[what]}})
    assert caught.value.path == "CONTEXT.GREETING"
    assert str(caught.value).startswith("CONTEXT.GREETING cannot be given")
    assert isinstance(caught.value, NotPossibleError)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "é à la carte",
        "rtl \u202e x",
        "`id` %x & <b> 'q'",
        pytest.param("x" * (1024 * 1024), id="1 MiB"),
        "]]",
        "a\n]]b",
        "<![CDATA[",
        "\u2028\x85\xa0",
        "=,[]#",
        '"',
        '""',
    ],
)
def test_what_survives_is_read_back_as_it_was(value):
    tree = {"A": value, "V": {"B": value, "C": "2"}, "Z": "end"}
    assert read_back(text.emit(tree)) == tree


@pytest.mark.parametrize("value", ["$(id)", "US$", "$UNKNOWN", "a $NAME b", "\\$NAME"])
def test_a_dollar_is_refused_where_opennebula_would_replace_it(value):
    with pytest.raises(UnwritableError, match="replace what follows"):
        text.emit({"CONTEXT": {"K": value}})
    assert text.emit({"K": value}) == f'K="{value}"'


def test_the_substitutions_that_we_use_are_written():
    assert text.emit({"CONTEXT": {"SET_HOSTNAME": "$NAME"}}) == (
        'CONTEXT=[SET_HOSTNAME="$NAME"]'
    )


@pytest.mark.parametrize("name", ["", "a", "1A", "A-B", "A B", "A\n", "A=", "É", '"'])
def test_names_of_attributes_are_checked(name):
    for attributes in ({name: "x"}, {"V": {name: "x"}}):
        with pytest.raises(UnwritableError, match="A-Z, 0-9 and _"):
            text.emit(attributes)


@pytest.mark.parametrize("value", [1, None, b"x", ["x"], [[]], {}, [{}], {"A": {}}])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(UnwritableError):
        text.emit({"A": value})


def test_a_template_that_is_too_long_is_refused():
    with pytest.raises(UnwritableError, match="longer than 4194304 bytes"):
        text.emit({f"A{i}": "x" * 900_000 for i in range(5)})


@pytest.mark.parametrize("name", ["a", "a b", "é", "a,b", "-x", "1", "x" * 128])
def test_names_that_opennebula_takes(name):
    assert text.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", *(f"a{c}b" for c in "\"'$<>/|;&\\\t\n\0"), " a", "a ", "x" * 129, "é" * 65],
)
def test_names_that_opennebula_refuses_or_changes(name):
    with pytest.raises(UnwritableError, match="NAME"):
        text.check_name(name)


NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in {"FARMCTL", "AR"}
)
ANY_TEXT = st.text(max_size=30) | st.text(
    alphabet='\\"[]=,#>$<& \n\tab\r\0\N{FOX FACE}', max_size=12
)
VECTORS = st.dictionaries(NAMES, ANY_TEXT, min_size=1, max_size=4)
TREES = st.dictionaries(
    NAMES, ANY_TEXT | VECTORS | st.lists(VECTORS, min_size=2, max_size=3), max_size=5
)


@settings(deadline=None)
@given(TREES)
def test_any_tree_is_read_back_as_it_was_or_refused(attributes):
    try:
        written = text.emit(attributes)
    except UnwritableError:
        return
    assert read_back(written) == attributes


@settings(deadline=None)
@given(ANY_TEXT)
def test_no_value_escapes_its_quotes(value):
    try:
        written = text.emit({"A": value, "B": "safe"})
    except UnwritableError:
        return
    assert read_back(written) == {"A": value, "B": "safe"}


@settings(deadline=None)
@given(st.text())
def test_free_text_travels_as_base64(value):
    try:
        encoded = text.encode(value)
    except UnwritableError:
        assert any("\ud800" <= c <= "\udfff" for c in value)
        return
    assert text.decode(encoded) == value
    assert read_back(text.emit({"BODY": encoded, "Z": "1"}))["BODY"] == encoded


@pytest.mark.parametrize("value", ["a", "====", "é", "/w==", "a b="])
def test_what_is_no_base64_of_text_decodes_to_nothing(value):
    assert text.decode(value) is None
