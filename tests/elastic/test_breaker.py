from hypothesis import given
from hypothesis import strategies as st

from farmctl.elastic.breaker import (
    BACK_OFF,
    LONGEST,
    UNPROVEN,
    Boot,
    Breaker,
    How,
)


def boot(vm_id, how, *, image="new", host="wrk-00", at=0.0):
    return Boot(vm_id=vm_id, image=image, host=host, at=at, how=how, why="no disk")


def failures(count, **given):
    return [boot(n, How.FAILED, at=float(n), **given) for n in range(count)]


def test_an_image_that_nobody_has_seen_come_up_has_few_nodes_on_their_way():
    assert Breaker().allows("new", now=0.0).count == 5


def test_an_image_that_came_up_has_no_such_limit():
    known = Breaker().see([boot(1, How.CAME_UP)])
    assert known.allows("new", now=0.0).count is None
    assert known.allows("other", now=0.0).count == 5


def test_two_failures_are_two_nodes_own():
    assert Breaker().see(failures(2)).allows("new", now=10.0).count == 5


def test_three_failures_in_a_row_open_the_breaker_and_say_why():
    allowed = Breaker().see(failures(3)).allows("new", now=10.0)
    assert allowed.count == 0
    assert allowed.until == 602.0
    assert allowed.because == (
        "3 boots of its image failed in a row on wrk-00, the last: no disk; one is "
        "tried again in 592 s"
    )


def test_after_the_back_off_one_canary_is_tried():
    known = Breaker().see(failures(3))
    assert known.allows("new", now=602.0).count == 1


def test_where_boots_are_short_the_back_off_is():
    known = Breaker(back_off=20.0).see(failures(3))
    assert known.allows("new", now=10.0).until == 22.0


def test_a_canary_that_fails_doubles_the_back_off():
    known = Breaker().see(failures(3)).see([boot(9, How.FAILED, at=700.0)])
    assert known.allows("new", now=701.0).until == 700.0 + 1200.0


def test_a_canary_that_comes_up_closes_the_breaker():
    known = Breaker().see(failures(3)).see([boot(9, How.CAME_UP, at=700.0)])
    assert known.allows("new", now=701.0).count is None


def test_failures_of_one_image_say_nothing_of_another():
    known = Breaker().see([*failures(3, host=""), boot(9, How.CAME_UP, image="old")])
    assert known.allows("old", now=10.0).count is None


def test_a_boot_counts_once_however_often_it_is_seen():
    once = boot(1, How.FAILED)
    known = Breaker().see([once]).see([once]).see([once])
    assert known.allows("new", now=1.0).count == 5


def test_a_hypervisor_on_which_an_image_fails_twice_gets_no_more_of_it():
    known = Breaker().see([boot(n, How.FAILED, host="wrk-01") for n in (1, 2)])
    assert known.shunned("new", now=1.0) == {
        "wrk-01": "2 boots of this image in a row failed on it"
    }
    assert known.shunned("old", now=1.0) == {}
    assert known.shunned("new", now=BACK_OFF + 1) == {}


def test_a_hypervisor_on_which_whatever_fails_gets_nothing():
    known = Breaker().see(
        boot(n, How.FAILED, image=image) for n, image in enumerate(("a", "b", "c"))
    )
    assert set(known.shunned("d", now=1.0)) == {"wrk-00"}


def test_a_success_clears_its_hypervisor():
    known = Breaker().see(failures(2)).see([boot(9, How.CAME_UP, at=9.0)])
    assert known.shunned("new", now=10.0) == {}


boots = st.lists(
    st.builds(
        Boot,
        vm_id=st.integers(0, 30),
        image=st.sampled_from("ab"),
        host=st.sampled_from(("", "h", "i")),
        at=st.floats(0, 1e5),
        how=st.sampled_from(How),
    ),
    max_size=30,
)


@given(boots, st.floats(0, 2e5))
def test_there_is_always_a_way_back_and_never_a_flood(seen, now):
    known = Breaker().see(seen)
    allowed = known.allows("a", now=now)
    if allowed.count is None:
        assert "a" in known.proven
    else:
        assert allowed.count in {0, 1, UNPROVEN}
        assert allowed.because
    if allowed.count == 0:
        assert now < allowed.until <= max(each.at for each in seen) + LONGEST
        assert known.allows("a", now=allowed.until).count == 1


@given(boots)
def test_a_success_always_closes(seen):
    last = boot(99, How.CAME_UP, image="a", at=1e6)
    known = Breaker().see(seen).see([last])
    assert known.allows("a", now=1e6).count is None
