import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmctl.model.requirements import all_of, parse

HOST = {
    "NAME": "wrk-03",
    "FARM_CLASS": "worker",
    "FREE_CPU": "800",
    "LOAD": "0.5",
    "CLUSTERS/ID": ["0", "100"],
}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("   ", True),
        ('FARM_CLASS="worker"', True),
        ('FARM_CLASS = "service"', False),
        ("FARM_CLASS = worker", True),
        ('TEMPLATE/FARM_CLASS="worker"', True),
        ('"TEMPLATE/FARM_CLASS"="worker"', True),
        ('FARM_CLASS != "service"', True),
        ('NAME = "wrk-*"', True),
        ('NAME = "WRK-*"', False),
        ('NAME != "wrk-*"', False),
        ('NAME = "wrk-0[12]"', False),
        ("FREE_CPU > 700", True),
        ("FREE_CPU < 700", False),
        ("FREE_CPU = 800", True),
        ("FREE_CPU != 800", False),
        ("LOAD < 0.75", True),
        ("LOAD = 0.5", True),
        ('"CLUSTERS/ID" @> 100', True),
        ('"CLUSTERS/ID" @> 10', False),
        ('"CLUSTERS/ID" @> "1*"', True),
        ("CLUSTERS/ID @> 0", True),
    ],
)
def test_a_comparison_fits_as_opennebula_says(text, fits):
    assert parse(text).matches(HOST) is fits


def test_a_comparison_with_an_attribute_that_is_not_there_is_false():
    assert not parse('GPU = "yes"').matches(HOST)
    assert not parse('GPU != "yes"').matches(HOST)
    assert parse('!(GPU = "yes")').matches(HOST)


def test_an_empty_value_compares_with_nothing():
    assert not parse('NOTE = ""').matches({"NOTE": ""})
    assert not parse('NOTE != ""').matches({"NOTE": "x"})


def test_and_and_or_bind_equally_from_the_left():
    attributes = {"A": "1"}
    assert not parse("A = 1 | A = 1 & A = 2").matches(attributes)
    assert parse("A = 1 | (A = 1 & A = 2)").matches(attributes)


def test_not_binds_to_what_follows_it_at_once():
    assert not parse('! FARM_CLASS="worker" & FREE_CPU > 0').matches(HOST)
    assert parse('!(FARM_CLASS="worker" & FREE_CPU > 900)').matches(HOST)


def test_a_number_is_read_as_far_as_it_is_one():
    assert parse("SPEED = 10").matches({"SPEED": "10 Gbit/s"})
    assert not parse("SPEED > 1").matches({"SPEED": "fast"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FARM_CLASS", "column 11: expected one of = != > < @>, found the end"),
        ('= "x"', "column 1: expected the name of an attribute, found '='"),
        ('A = "x" B', "column 9: expected an operator or the end, found 'B'"),
        ('(A = "x"', "column 9: expected ')', found the end"),
        ('A = "x', "column 5: '\"' has no meaning here"),
        ('A > "x"', "column 5: > compares numbers, not 'x'"),
        ("A = 1 &", "column 8: expected the name of an attribute, found the end"),
        ("A == 1", "column 4: expected a value, found '='"),
    ],
)
def test_a_mistake_is_told_with_its_column(text, message):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_deep_nesting_is_refused_and_does_not_break_the_parser():
    with pytest.raises(ValueError, match="levels of nesting"):
        parse("(" * 5000 + "A=1" + ")" * 5000)
    with pytest.raises(ValueError, match="levels of nesting"):
        parse("!" * 5000 + "A=1")


def test_all_of_joins_with_parentheses_and_leaves_out_what_is_empty():
    joined = all_of('FARM_CLASS="worker"', "", "A=1 | B=2")
    assert joined == '(FARM_CLASS="worker") & (A=1 | B=2)'
    assert all_of("", " A=1 ") == "A=1"
    assert all_of() == ""


def test_all_of_refuses_a_text_that_would_break_out():
    with pytest.raises(ValueError):
        all_of('FARM_CLASS="worker"', "A=1) | (A=1")


_comparisons = st.sampled_from(["A=1", "A=2", 'B="x*"', "B!=y", "C@>3", "!A=1"])
_expressions = st.recursive(
    _comparisons,
    lambda inner: st.tuples(inner, st.sampled_from("&|"), inner).map(
        lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
    ),
    max_leaves=8,
)


@given(st.lists(_expressions, max_size=4), st.booleans(), st.sampled_from("xy"))
def test_all_of_holds_exactly_when_each_holds(texts, first, letter):
    attributes = {"A": "1" if first else "2", "B": letter, "C": ["3", "4"]}
    each = all(parse(text).matches(attributes) for text in texts)
    assert parse(all_of(*texts)).matches(attributes) is each


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused_with_a_value_error(text):
    try:
        requirement = parse(text)
    except ValueError:
        return
    assert requirement.text == text.strip()
