"""Folded lists of nodes, job arrays and constraints, read and refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmctl.batch import arrays, names
from farmctl.batch.commands import OnGuest, OnThisMachine
from farmctl.batch.slurm import constraints
from farmctl.errors import BatchAnswerError, BatchAwayError, UnreachableError
from farmctl.model.guests import Guest
from farmctl.model.nodes import Role


@pytest.mark.parametrize(
    ("text", "unfolded"),
    [
        ("", ()),
        ("wn-001", ("wn-001",)),
        ("wn-001,gpu1", ("wn-001", "gpu1")),
        ("wn-[001-003,007]", ("wn-001", "wn-002", "wn-003", "wn-007")),
        ("a[8-11]b,c", ("a8b", "a9b", "a10b", "a11b", "c")),
    ],
)
def test_lists_of_nodes_are_unfolded(text, unfolded):
    assert names.unfolded(text) == unfolded


@pytest.mark.parametrize(
    "text", ["wn-[1-", "wn-[]", "[3-1]", "a[1-99999999]", "a[1]b[2]", "a]", "a[1-2-3]"]
)
def test_what_is_no_list_of_nodes_is_refused(text):
    with pytest.raises(BatchAnswerError):
        names.unfolded(text)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=50, unique=True))
def test_what_was_folded_is_unfolded_again(numbers):
    text = "wn-[" + ",".join(f"{number:03d}" for number in numbers) + "]"
    assert names.unfolded(text) == tuple(f"wn-{number:03d}" for number in numbers)


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("7", 1),
        ("1-1000%10", 1000),
        ("1,3,5-9", 7),
        ("0-40:5", 9),
        ("0-41:5%2", 9),
        ("3-3", 1),
    ],
)
def test_tasks_of_an_array_are_counted(text, tasks):
    assert arrays.tasks(text) == tasks


@given(st.sets(st.integers(0, 5000), min_size=1, max_size=200))
def test_an_array_of_single_tasks_has_as_many(numbers):
    assert arrays.tasks(",".join(map(str, sorted(numbers)))) == len(numbers)


@pytest.mark.parametrize("text", ["", "1,3,...", "5-1", "1-9:0", "a", "1-", "%5"])
def test_an_array_that_is_cut_off_is_refused(text):
    with pytest.raises(BatchAnswerError):
        arrays.tasks(text)


def sets(*groups):
    return {frozenset(group.split()) for group in groups}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("", set()),
        ("a", sets("a")),
        ("a&b", sets("a b")),
        ("a|b", sets("a", "b")),
        ("a&b|c", sets("a b", "c")),
        ("(a|b)&c", sets("a c", "b c")),
        ("[a|b]", sets("a", "b")),
        ("[a*2&b*4]", sets("a", "b")),
        ("a*2", sets("a")),
    ],
)
def test_constraints_are_alternatives(expression, wanted):
    assert set(constraints.features(expression)) == wanted


@pytest.mark.parametrize("expression", ["a&", "(a", "a)", "|", "a b", "!a", "a'b"])
def test_a_constraint_that_is_not_understood_is_one_feature_that_nobody_has(expression):
    assert constraints.features(expression) == (frozenset({expression}),)


@given(st.text(max_size=30))
def test_no_constraint_breaks_the_reader(expression):
    assert all(constraints.features(expression)) or not expression


def test_a_program_that_is_not_here_or_does_not_end_is_no_empty_answer():
    with pytest.raises(BatchAwayError, match="cannot be run on this machine"):
        OnThisMachine().run(["no-such-program"], timeout=5)
    with pytest.raises(BatchAwayError, match="did not end within 0 s"):
        OnThisMachine().run(["sleep", "5"], timeout=0.05)


def test_a_head_that_does_not_answer_is_told_by_its_name():
    class Away:
        def run(self, guest, command, *, stdin="", timeout=30.0):
            raise UnreachableError("no route", hint="Is it on?")

    head = Guest(vm_id=1, name="alice-head", role=Role.HEAD, address="172.16.40.253")
    with pytest.raises(BatchAwayError, match="alice-head does not answer"):
        OnGuest(shell=Away(), guest=head).run(["squeue"], timeout=5)
