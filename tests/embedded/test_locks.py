"""Locks: four levels, each with what it keeps others from doing."""

import pytest

USE, MANAGE, ADMIN, EVERYTHING = 1, 2, 3, 4


def document(one, by):
    number = one("document.allocate", 'NAME="d"', 4270, by=by)
    one("document.chmod", number, 1, 1, -1, 1, 1, -1, 1, 1, -1, by=by)
    return number


@pytest.mark.parametrize(
    ("level", "update", "chmod"),
    [
        (USE, False, False),
        (MANAGE, False, False),
        (ADMIN, True, True),
        (EVERYTHING, False, False),
    ],
)
def test_a_lock_keeps_others_from_what_its_level_says(one, level, update, chmod):
    _, ann = one.user("ann")
    _, bob = one.user("bob")
    number = document(one, ann)
    one("document.lock", number, level, False, by=ann)
    one("document.info", number, False, by=bob)  # looking is always allowed
    assert one.raw("document.update", number, "A=1", 1, by=bob)[0] is update
    args = (number, 1, 1, -1, 1, 1, -1, 1, 0, -1)
    assert one.raw("document.chmod", *args, by=bob)[0] is chmod


def test_only_one_of_two_gets_a_lock_that_is_tested(one):
    _, ann = one.user("ann")
    _, bob = one.user("bob")
    number = document(one, ann)
    assert one("document.lock", number, EVERYTHING, True, by=ann) == number
    assert one.raw("document.lock", number, EVERYTHING, True, by=bob)[0] is False
    one("document.unlock", number, by=ann)
    assert one("document.lock", number, EVERYTHING, True, by=bob) == number


def test_a_lock_says_whose_it_is_and_since_when(one):
    ann, session = one.user("ann")
    number = document(one, session)
    before = int(one.cloud.now())
    one("document.lock", number, MANAGE, False, by=session)
    lock = one.xml("document.info", number, False).find("LOCK")
    assert lock.findtext("LOCKED") == "2"
    assert lock.findtext("OWNER") == str(ann)
    assert before <= int(lock.findtext("TIME")) <= before + 1


def test_a_locked_vm_is_not_terminated(one):
    _, ann = one.user("ann")
    vm = one.vm("a", by=ann)
    one("vm.lock", vm, EVERYTHING, False, by=ann)
    assert one.refusal("vm.action", "terminate", vm, by=ann)[0] == 512
    one("vm.unlock", vm, by=ann)
    one("vm.action", "terminate", vm, by=ann)
    assert one.state(vm) == "DONE"


def test_a_lock_outlives_the_server(one):
    number = one("document.allocate", 'NAME="d"', 4270)
    one("document.lock", number, EVERYTHING, True)
    one.cloud.kill()
    one.cloud.start()
    assert one.cloud.raw("one.document.lock", number, EVERYTHING, True)[0] is False
