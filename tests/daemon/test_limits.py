"""What bounds a farm: its owner's quota, its budget, the size of the hypervisors."""

import time
from dataclasses import replace

import farms
import pytest
from farms import until

from farmctl.model.view import Quota
from farmctl.reconcile import Options, apply
from farmctl.spec import reading


class Limited:
    """The cloud of a user with few cores."""

    def __init__(self, cloud, hers):
        self.cloud, self.hers = cloud, hers

    def __getattr__(self, name):
        return getattr(self.cloud, name)

    def look(self):
        view = self.cloud.look()
        left = self.hers.cpus - sum(vm.cpus for vm in view.vms)
        return replace(view, quotas=(Quota(whose="user tina", cpus=max(0, left)),))


class Tinas(farms.Bench):
    cpus = 5

    def world(self, *given, **more):
        world = super().world(*given, **more)
        return replace(world, cloud=Limited(world.cloud, self))


@pytest.fixture
def tina(opennebula_with, tmp_path):
    """A cloud of her own, as all VMs in it count as hers."""
    made = Tinas(opennebula_with(), tmp_path)
    yield made
    made.close()


def test_a_farm_grows_to_its_owners_quota_and_says_so(tina, name):
    queue = tina.make(name)  # router and head take two of the five cores
    queue.submit(6, seconds=1.5)
    with tina.serving():
        until(lambda: len(tina.workers(name)) == 3, what="three workers")
        said = "slots of the quota are used"
        until(lambda: any(said in why for _, why in tina.said(name)), what=said)
        assert len(tina.workers(name)) == 3
        assert not tina.said(name, "run stopped")
        until(lambda: not queue.left, what="all jobs end")
    assert queue.state["killed"] == []


def test_room_that_others_took_is_freed_once_whoever_the_daemon_is(tina, name):
    """A restarted daemon knows for whom an old worker has gone."""
    queue = tina.make(name, image="old", count="2")  # with router and head four cores
    tina.cpus = 4
    options = Options(lock_wait=30.0, wait=False)
    queue.submit(2, seconds=120)
    farm = reading.parse_farm(farms.farm_text(name, image="wn", count="2"))
    with tina.serving():
        until(lambda: all(job["node"] for job in queue.state["jobs"]), what="both work")
        assert not apply(tina.world(), farm, options).failed
        until(lambda: queue.state["drains"], what="one is drained for its room")
        tina.cpus = 3  # others come first
        queue.set(jobs=[{**job, "seconds": 0.0} for job in queue.state["jobs"]])
        until(lambda: len(tina.workers(name)) == 1, what="it has gone")
    queue.submit(2, seconds=120)
    said = "others have what"
    with tina.serving(name="second"):
        until(
            lambda: any(said in why for _, why in tina.said(name, journal="second")),
            what=said,
        )
        time.sleep(1.0)
    assert queue.state["drains"] == 1
    assert len(tina.workers(name)) == 1


def test_a_least_beyond_the_quota_is_told_with_what_to_do(tina, name):
    tina.make(name)
    text = farms.farm_text(name, count="{min: 4, max: 6}")
    path = tina.folder / "more.yaml"
    path.write_text(text)
    with tina.serving(files=[path]):
        said = until(
            lambda: tina.said(name, "fewer nodes than the least"), what="it is told"
        )
        until(lambda: len(tina.workers(name)) == 3, what="as many as there is room for")
    assert "the quota of user tina leaves room for 3 such nodes" in said[0][1]
    assert said[0][1].endswith("Lower min, or ask for a larger quota.")


def test_a_budget_that_is_spent_starts_nothing_more(bench, name):
    # A new node must find an hour of it.
    queue = bench.make(name, more="budget: 0.5\n")
    queue.submit(4, seconds=0.5)
    with bench.serving():
        said = "of 0.5 core-h of today are left"
        until(lambda: any(said in why for _, why in bench.said(name)), what=said)
        time.sleep(1.0)
        assert not bench.workers(name)


def test_a_node_larger_than_any_hypervisor_is_in_nobodys_way(bench, name):
    wide = "  huge: {image: wn, cpus: 500, memory: 256MiB, count: {min: 1, max: 2}}\n"
    text = farms.farm_text(name).replace("batch: slurm", wide + "batch: slurm")
    path = bench.folder / "huge.yaml"
    queue = bench.make(name)
    path.write_text(text)
    with bench.serving(files=[path]):
        said = until(
            lambda: [
                why
                for _, why in bench.said(name)
                if "no worker hypervisor is as" in why
            ],
            what="it is told",
        )
        queue.submit(3, seconds=0.3)
        until(lambda: not queue.left, what="the others' work is done")
    assert "A node of huge has 500 cores" in said[0]
    assert said[0].endswith("Make the nodes smaller.")
