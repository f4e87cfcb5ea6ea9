import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmctl.units import (
    format_amount,
    format_duration,
    parse_amount,
    parse_duration,
)


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("15GiB", 15360),
        ("15360MiB", 15360),
        ("15 GiB", 15360),
        ("1TiB", 1048576),
        ("1.5GiB", 1536),
        ("0.5TiB", 524288),
        ("1048576MB", 1000000),
        ("131072GB", 125000000),
        ("1024TiB", 1073741824),
    ],
)
def test_an_amount_is_exact(text, mib):
    assert parse_amount(text) == mib


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "15 gigs",
            "'15 gigs' is not an amount of memory. Write 15GiB or 15360MiB.",
        ),
        ("15G", "'15G' is not an amount of memory. Write 15GiB or 15360MiB."),
        ("512m", "'512m' is not an amount of memory. Write 512MiB."),
        ("15", "'15' is not an amount of memory. Write 15GiB or 15MiB."),
        (
            "120 GB",
            (
                "'120 GB' is 114440.92 MiB, and memory comes in whole MiB. "
                "Write 120GiB or 114441MiB."
            ),
        ),
        (
            "0.3GiB",
            "'0.3GiB' is 307.20 MiB, and memory comes in whole MiB. Write 308MiB.",
        ),
        ("0GiB", "'0GiB' is no memory at all. Write 15GiB or 15360MiB."),
        ("-1GiB", "'-1GiB' is not an amount of memory. Write 15GiB or 15360MiB."),
        ("NaN", "'NaN' is not an amount of memory. Write 15GiB or 15360MiB."),
        ("1\u0660GiB", "'1\u0660GiB' is not an amount of memory. Write 1GiB or 1MiB."),
        (
            "1025TiB",
            "'1025TiB' is more memory than any node has: the limit is 1024TiB.",
        ),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text, message):
    with pytest.raises(ValueError) as caught:
        parse_amount(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("7d", 604800),
        ("1h30m", 5400),
        ("2w", 1209600),
        ("1w1d1h1m1s", 694861),
    ],
)
def test_a_duration_is_exact(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("90", "'90' is not a duration. Write 90s, 90m or 90h."),
        ("7 days", "'7 days' is not a duration. Write 7d."),
        ("3 hours", "'3 hours' is not a duration. Write 3h."),
        ("1m1h", "'1m1h' is not a duration. Write 90s, 1h30m or 7d."),
        ("0s", "'0s' is no time at all. Write 90s, 1h30m or 7d."),
        ("", "'' is not a duration. Write 90s, 1h30m or 7d."),
        ("-1h", "'-1h' is not a duration. Write 90s, 1h30m or 7d."),
        ("1.5h", "'1.5h' is not a duration. Write 90s, 1h30m or 7d."),
        ("36501d", "'36501d' is longer than a hundred years."),
    ],
)
def test_a_duration_that_is_none_is_refused(text, message):
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert str(caught.value) == message


def test_amounts_and_durations_are_shown_as_people_write_them():
    assert format_amount(15360) == "15GiB"
    assert format_amount(15361) == "15361MiB"
    assert format_amount(2097152) == "2TiB"
    assert format_amount(0) == "0MiB"
    assert format_duration(604800) == "7d"
    assert format_duration(5400) == "1h30m"
    assert format_duration(0) == "0s"
    assert format_duration(-90) == "-1m30s"


@given(st.integers(1, 2**30))
def test_an_amount_that_is_shown_reads_back(mib):
    assert parse_amount(format_amount(mib)) == mib


@given(st.integers(1, 100 * 365 * 86400))
def test_a_duration_that_is_shown_reads_back(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text())
def test_no_text_does_more_than_raise_a_value_error(text):
    for parse in (parse_amount, parse_duration):
        try:
            assert parse(text) > 0
        except ValueError as error:
            assert str(error).endswith(".")  # noqa: PT017 - either is right
