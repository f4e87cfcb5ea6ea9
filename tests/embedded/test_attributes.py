"""OpenNebula's template text, as far as the recordings do not show it."""

import pytest

from farmctl.embedded.attributes import Attributes, parse
from farmctl.embedded.refusal import Refusal


def test_names_are_sorted_and_equal_ones_keep_their_order():
    text = parse('b="2"\nA="1"\nB="3"')
    assert text.xml() == (
        "<TEMPLATE><A><![CDATA[1]]></A><B><![CDATA[2]]></B><B><![CDATA[3]]></B>"
        "</TEMPLATE>"
    )


def test_comments_and_bare_words_are_read():
    text = parse('# a comment\nA = one \nB=[ C = x , D="y, z" ]\n')
    assert text.text("A") == "one"
    assert text.vector("B") == {"C": "x", "D": "y, z"}


def test_text_may_be_xml():
    text = parse("<T><A>1</A><B><C><![CDATA[x]]></C></B></T>")
    assert text.text("A") == "1"
    assert text.vector("B") == {"C": "x"}


def test_nothing_is_an_empty_template():
    assert parse("").xml() == "<TEMPLATE></TEMPLATE>"


def test_a_quote_in_quotes_is_escaped():
    assert parse(r'A="say \"no\" to C:\temp"').text("A") == 'say "no" to C:\\temp'


def test_a_template_that_does_not_parse_is_refused():
    with pytest.raises(Refusal) as caught:
        parse('A=[B="1"')
    assert caught.value.code in {2048, 8192}
    assert "syntax error" in caught.value.message


def test_merging_replaces_by_name_and_adds_what_is_new():
    base = parse('A="1"\nB="1"\nB="2"')
    base.merge(parse('B="3"\nC="4"'))
    assert base.xml() == parse('A="1"\nB="3"\nC="4"').xml()


def test_a_copy_is_independent():
    original = Attributes({"V": [{"A": "1"}]})
    copied = original.copy()
    copied.vectors("V")[0]["A"] = "2"
    assert original.vector("V") == {"A": "1"}
