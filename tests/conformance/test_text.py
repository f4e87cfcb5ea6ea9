"""What OpenNebula's parser does to text, and which names it takes."""

import pytest


def kept(one, text):
    document = one.document(text)
    return one.xml("document.info", document, False, False).find("TEMPLATE")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('B="plain"', "plain"),
        ("B=bare", "bare"),
        ('B="a \\"q\\" b"', 'a "q" b'),
        ('B="a\nb"', "a\nb"),
        ('B="[x=1],]"', "[x=1],]"),
        ('B="$y `z` \\\\ back"', "$y `z` \\\\ back"),
        ('B="a \\" "', 'a "'),
        ('B="<xml> & é"', "<xml> & é"),
        ('B="\t tab  two  spaces "', "tab  two  spaces"),
        ('B="rtl \u202e x"', "rtl \u202e x"),
        ('B=""', ""),
        ("B='single'", "'single'"),
        ('B = "spaced"', "spaced"),
        ('b="lower"', "lower"),
    ],
)
def test_a_value_comes_back(one, text, value):
    assert (kept(one, text).findtext("B") or "") == value


def test_an_unclosed_quote_is_taken_as_text(one):
    assert kept(one, 'B="x').findtext("B") == '"x'


def test_the_last_backslash_of_a_value_stays_double(one):
    assert kept(one, 'B="a \\\\"').findtext("B") == "a \\\\"


def test_a_name_that_begins_with_a_digit_is_changed(one):
    assert [e.tag for e in kept(one, '1B="x"')] == ["ONE_1B"]


def test_a_name_given_twice_is_kept_twice_but_once_in_a_vector(one):
    assert [e.text for e in kept(one, 'B="a"\nB="b"')] == ["a", "b"]
    assert [e.text for e in kept(one, 'V=[A="1",A="2"]').find("V")] == ["1"]


def test_a_vector_is_kept(one):
    vector = kept(one, 'V=[A="1"\n,B="two words",C="q\\"q",D="x]y"]').find("V")
    shown = {e.tag: e.text for e in vector}
    assert shown == {"A": "1", "B": "two words", "C": 'q"q', "D": "x]y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('B="a ]]> b"', ""),
        ('B-B="x"', "syntax error, unexpected VARIABLE"),
        ('V=["x"]', "syntax error, unexpected CBRACKET, expecting EQUAL"),
        ('V=[A="1"', "syntax error, unexpected $end, expecting COMMA or CBRACKET"),
        ("X", "syntax error, unexpected $end, expecting EQUAL or EQUAL_EMPTY"),
    ],
)
def test_text_that_cannot_be_parsed_is_refused(one, text, message):
    name = one.name("doc")
    code, seen = one.refusal("document.allocate", f'NAME="{name}"\n{text}', 4270)
    assert code == 8192
    assert seen.startswith("[one.document.allocate] Parse error")
    assert message in seen


def test_an_emoji_is_refused_by_the_xml_rpc_layer(one):
    name = one.name("doc")
    code, message = one.refusal(
        "document.allocate", f'NAME="{name}"\nB="\U0001f98a"', 4270
    )
    assert code == -503
    assert "not in the Basic Multilingual Plane" in message


@pytest.mark.parametrize("character", list("'$</|;&\\\t"))
def test_a_name_may_not_hold_everything(one, character):
    name = f"{one.prefix}a{character}b"
    text = f'NAME="{name}"\nVN_MAD="dummy"\nBRIDGE="b"'
    if character == "\\":
        text = text.replace("\\", "\\\\")
    assert one.refusal("vn.allocate", text, -1) == (
        8192,
        f"[one.vn.allocate] Invalid NAME, char '{character}' is not allowed",
    )


@pytest.mark.parametrize("tail", [" b", "-b", "é", "a,b"])
def test_a_name_may_hold_these(one, tail):
    text = f'NAME="{one.prefix}{tail}"\nVN_MAD="dummy"\nBRIDGE="b"'
    network = one("vn.allocate", text, -1)
    shown = one.xml("vn.info", network, False).findtext("NAME")
    assert shown == one.prefix + tail


def test_a_name_has_at_most_128_characters(one):
    longest = one.prefix.ljust(128, "x")
    text = 'NAME="{}"\nVN_MAD="dummy"\nBRIDGE="b"'
    one("vn.allocate", text.format(longest), -1)
    assert one.refusal("vn.allocate", text.format(longest + "x"), -1) == (
        8192,
        "[one.vn.allocate] Invalid NAME, max length is 128 chars",
    )


def test_a_name_loses_the_space_round_it(one):
    text = f'NAME="  {one.name("trim")} "\nVN_MAD="dummy"\nBRIDGE="b"'
    network = one("vn.allocate", text, -1)
    assert one.xml("vn.info", network, False).findtext("NAME") == one.name("trim")


def test_a_vm_without_a_name_is_named_by_its_id(one):
    vm = one("vm.allocate", 'NAME=""\nCPU="0.1"\nMEMORY="64"', True)
    try:
        assert one.info(vm).findtext("NAME") == f"one-{vm}"
    finally:
        one("vm.recover", vm, 3)
