"""Wrong files, and every word that people are told about them.

`cases/NAME.yaml` is read as the file that its name begins with; `cases/NAME.txt` holds
what `farmctl validate` shows.
"""

from pathlib import Path

import pytest

from farmctl.errors import InputError
from farmctl.spec import parse_farm, parse_site, render_mistakes

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_wrong_file_is_told_all_its_mistakes(case):
    parse = parse_site if case.stem.startswith("site-") else parse_farm
    with pytest.raises(InputError) as caught:
        parse(case.read_text(), case.name)
    assert render_mistakes(caught.value) + "\n" == case.with_suffix(".txt").read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_mistakes_come_in_the_order_of_the_file_and_without_pydantics_words(case):
    parse = parse_site if case.stem.startswith("site-") else parse_farm
    with pytest.raises(InputError) as caught:
        parse(case.read_text(), case.name)
    places = [(one.line, one.column) for one in caught.value.mistakes]
    assert places == sorted(places)
    for mistake in caught.value.mistakes:
        assert "Input should" not in mistake.message
        assert "does not belong here" not in mistake.message


def test_there_are_cases():
    assert len(CASES) >= 30
