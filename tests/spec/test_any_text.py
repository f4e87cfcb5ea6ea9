"""Whatever stands in a file: a farm, or mistakes and places; never a traceback."""

import re

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from farmctl.errors import InputError
from farmctl.spec import (
    composer,
    document,
    parse_farm,
    parse_site,
    render_mistakes,
    starter,
)

PARSERS = [parse_farm, parse_site]


def holds(text):
    for parse in PARSERS:
        error = None
        try:
            parse(text, "any.yaml")
        except InputError as caught:
            error = caught
        if error is not None:
            shown = render_mistakes(error)
            assert error.mistakes
            assert "Input should" not in shown
            assert "does not belong here" not in shown
            lines = shown.split("\n")
            assert len(lines) == len(error.mistakes) + 1
            assert all(line.isprintable() for line in lines)


yamlish = st.text(alphabet="ab:-[]{}?,&*!|>'\"%@`#\\~ \n\t<0.1é🐄\u202e\x85")


@settings(max_examples=300, deadline=None)
@given(st.text() | yamlish)
@example("")
@example("\ud800")
@example("a: \ud800")
@example("'")
@example("? ")
@example("- - - -")
@example("&a *a")
@example("&a [*a]")
@example("*a : b")
@example("%YAML 9.9\n---\na: b")
@example("%TAG ! tag:x,2000:\n---\n!x a: b")
@example("--- a\n...\n--- b")
@example("a: !!int 5")
@example("a: |\n\ttab")
@example("farm: 1e999")
@example("farm: " + "9" * 5000)
@example('a: "\\ud800"')
@example("[" * 2000)
@example("{a: " * 2000)
@example("- " * 5000)
def test_any_text_is_a_farm_or_mistakes(text):
    holds(text)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["15GiB", "auto", "none", "head", "wn-001", "7d", "172.16.1.0/24"]
    )
)
keys = st.sampled_from(
    """farm kind network router head pools batch lease ssh_keys variables image cpus
    memory disk count min max readiness forwards name port protocol to to_port from
    site domain cloud endpoint auth_file hypervisors service worker requires networks
    farms public supernet driver images admin addresses deadlines running ready dns
    vlan_ids first last reserved expires_in flavour public_address""".split()  # noqa: SIM905 - fifty words read better so
) | st.text(max_size=10)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6)
    ),
    max_leaves=40,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(keys, values, max_size=8))
def test_any_values_under_known_keys_are_a_farm_or_mistakes(mapping):
    holds(yaml.safe_dump(mapping, allow_unicode=True, sort_keys=False))


def paths_in(value, path=()):
    yield path
    match value:
        case dict():
            inner = value.items()
        case list():
            inner = enumerate(value)
        case _:
            inner = ()
    for key, item in inner:
        yield from paths_in(item, (*path, key))


@pytest.mark.parametrize("text", [starter.FARM, starter.SITE])
@settings(deadline=None)
@given(data=st.data())
def test_a_right_file_with_one_value_spoiled_is_right_or_told(text, data):
    mapping = yaml.safe_load(text)
    path = data.draw(st.sampled_from(sorted(paths_in(mapping), key=str)).filter(bool))
    part = mapping
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = data.draw(values)
    holds(yaml.safe_dump(mapping, allow_unicode=True, sort_keys=False))


@settings(deadline=None)
@given(st.integers(0, 200), st.text(max_size=3))
def test_a_right_file_with_text_thrown_in_is_right_or_told(position, thrown):
    text = starter.FARM
    place = position * len(text) // 200
    holds(text[:place] + thrown + text[place:])


characters = st.characters(
    min_codepoint=32, max_codepoint=0x2000, exclude_categories=["Cc"]
)
# PyYAML writes by YAML 1.1, which took 0E0 for text.
words = st.text(characters).filter(lambda word: not re.match(r"[-+.0-9]", word))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=15,
)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, composer._LOADER])
@settings(deadline=None)
@given(mapping=st.dictionaries(st.text("abc", min_size=1), plain, min_size=1))
def test_what_yaml_writes_is_read_back_by_either_parser(loader, mapping):
    text = yaml.safe_dump(mapping, allow_unicode=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composer, "_LOADER", loader)
        read = document.compose(text, file="x")
    assert read.values == mapping
    assert read.mistakes == ()


def test_a_file_at_the_limit_is_read_in_seconds():
    text = "farm: a\nkind: plain\n" + "".join(
        f"k{number}: {number}\n" for number in range(4900)
    )
    with pytest.raises(InputError) as caught:
        parse_farm(text)
    assert len(caught.value.mistakes) == 4901


def test_a_key_with_terminal_codes_is_not_listed_among_the_pools():
    with pytest.raises(InputError) as caught:
        parse_farm(
            starter.FARM.replace("  wn:\n", '  "x\\e[2J":\n'),
        )
    assert [str(one) for one in caught.value.mistakes if "\x1b" in str(one)] == []
    assert "no node or pool is called 'wn'." in str(caught.value)


def test_a_character_that_no_terminal_knows_is_told_by_its_number():
    text = starter.SITE.replace("{name: public}", "{name: \U000fa965}")
    with pytest.raises(InputError) as caught:
        parse_site(text)
    [mistake] = caught.value.mistakes
    assert mistake.message == (
        "'\\U000fa965' holds '\\U000fa965', which OpenNebula's API does not carry."
    )
