import time

import pytest

from farmctl.cli import moments, text
from farmctl.errors import NotPossibleError


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (9.99, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (18_600, "5 h 10 min"),
        (86_400, "1 d"),
        (180_000, "2 d 2 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, said):
    assert text.took(seconds) == said


def test_control_and_direction_characters_are_made_visible():
    assert text.clean("a\x1b[2Jb\u202ec\u200b") == "a<U+001B>[2Jb<U+202E>c<U+200B>"
    assert text.clean("a\nb", keep="\n") == "a\nb"
    assert text.clean("größe ± …") == "größe ± …"


def test_signs_fall_back_where_the_encoding_has_none():
    assert text.fits("utf-8", "± wn-001…004") == "± wn-001…004"
    assert text.fits("ascii", "± wn-001…004") == "* wn-001...004"
    assert text.fits("iso-8859-1", "±") == "±"
    assert text.fits("no-such-encoding", "…") == "..."


def test_lists_are_cut():
    assert text.listed([]) == ""
    assert text.listed(["a"]) == "a"
    assert text.listed(["a", "b", "c"]) == "a, b and c"
    assert text.listed("abcdef", most=3) == "a, b, c and 3 more"


def at(*when):
    return time.mktime((*when, 0, 0, -1))


NOW = at(2026, 11, 22, 14, 30, 0)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("now", NOW),
        ("14:02", at(2026, 11, 22, 14, 2, 0)),
        ("14:02:30", at(2026, 11, 22, 14, 2, 30)),
        ("2026-11-20 08:00", at(2026, 11, 20, 8, 0, 0)),
        ("2026-11-20T08:00", at(2026, 11, 20, 8, 0, 0)),
        ("2026-11-20", at(2026, 11, 20, 0, 0, 0)),
        ("2026-11-20T08:00:00+00:00", 1_795_161_600.0),
        ("2h", NOW - 7_200),
        ("1h30m ago", NOW - 5_400),
        ("@1795161600", 1_795_161_600.0),
    ],
)
def test_moments_are_understood(typed, meant):
    assert moments.parse(typed, now=NOW) == meant


@pytest.mark.parametrize("typed", ["", "yesterday", "25:00", "@x", "14:59", "-2h"])
def test_what_is_no_moment_is_refused(typed):
    with pytest.raises(NotPossibleError):
        moments.parse(typed, now=NOW)
