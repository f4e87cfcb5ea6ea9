"""Killed at any call that changes the cloud, a second run completes what was meant."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import rig
from insides import Insides
from proxy import Mode, Proxy
from rig import act, farm_of, gone, settled, world_at

from farmctl.reconcile import apply, scale

pytestmark = pytest.mark.slow

AT_ONCE = 4
"""Cases at a time; each has a farm of its own."""


class Case:
    """One operation, disturbed at its call number `at`."""

    def __init__(self, one, forking, name, what, guests):
        self.one, self.forking, self.name, self.what = one, forking, name, what
        self.order = {
            "endpoint": one.endpoint,
            "auth_file": one.auth_file,
            "site": one.site,
            "farm": name,
            "what": what[0],
            "size": what[1],
            "guests": str(guests),
        }
        guests.mkdir()

    def prepare(self, world):
        if self.what[0] != "apply":
            assert apply(world, farm_of(self.name)).complete
        if self.what == ("scale", 2):
            assert scale(world, self.name, "wn", 4).complete

    def disturb(self, proxy):
        order = {**self.order, "endpoint": proxy.endpoint}
        if proxy.mode is Mode.LOSE_ANSWER:
            act(order)
            return
        process = self.forking.Process(target=act, args=(order,))
        process.start()
        proxy.kill_this(process.pid)
        process.join(60)
        process.close()

    def wrong(self, world):
        problems = rig.problems(act(self.order))
        if self.what[0] == "destroy":
            return problems + gone(world, self.name)
        return problems + settled(world, self.name, size=self.what[1])


def calls_of(one, forking, what, name, folder):
    """Count the changing calls of an operation that nothing disturbs."""
    world = world_of(one, folder / name)
    case = Case(one, forking, name, what, folder / name)
    try:
        case.prepare(world)
        with Proxy(one.endpoint) as proxy:
            act({**case.order, "endpoint": proxy.endpoint})
            calls = list(proxy.calls)
        assert case.wrong(world) == []
    finally:
        world.cloud.close()
    return calls


def world_of(one, folder):
    insides = Insides(folder)
    return world_at(one.endpoint, one.auth_file, one.site, guests=insides)


def disturbed(one, forking, name, what, at, mode, folder):
    world = world_of(one, folder / name)
    case = Case(one, forking, name, what, folder / name)
    try:
        case.prepare(world)
        with Proxy(one.endpoint, at=at, mode=mode) as proxy:
            case.disturb(proxy)
            hit = proxy.hit.is_set()
        wrong = case.wrong(world)
    finally:
        world.cloud.close()
    return hit, wrong


@pytest.mark.parametrize("mode", list(Mode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize(
    "what",
    [("apply", 2), ("scale", 4), ("scale", 2), ("destroy", 2)],
    ids=["apply", "scale-up", "scale-down", "destroy"],
)
def test_a_second_run_converges_whatever_call_the_first_ended_at(
    own, forking, name, what, mode, tmp_path
):
    calls = calls_of(own, forking, what, f"{name}-0", tmp_path)
    expected = {"apply": "one.vm.update", "scale": "one.vm.updateconf"}
    assert expected.get(what[0], "one.vm.action") in calls
    found = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        cases = {
            at: pool.submit(
                disturbed, own, forking, f"{name}-{at}", what, at, mode, tmp_path
            )
            for at in range(1, len(calls) + 1)
        }
        for at, case in cases.items():
            hit, wrong = case.result()
            if wrong:
                found[at, calls[at - 1]] = wrong
            assert hit, f"call {at} of {len(calls)} was never made"
    assert found == {}
