"""Two hundred jobs from nothing to nothing, and one mishap after another.

`farmctl serve` alone does the work, on real nodes with a real Slurm. What is asserted
is what a user would miss: each job ran once and ended well, whatever went wrong, and
no VM was ended while a job ran there.
"""

import contextlib
import os
import random
import shlex
import shutil
import signal
import time

import pytest
from jobs import CONF
from served import serving, until

from farmctl.model.keeping import PREFIX, kept_by

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="real nodes need root"),
    pytest.mark.skipif(not shutil.which("ssh"), reason="openssh-client is needed"),
    pytest.mark.xdist_group("chaos"),
]

PUBLIC = "198.18.42.0/24"
FARM = f"""\
farm: f
kind: batch
batch: slurm
price: 1
variables:
  SLURM_CONF: |
{CONF}
router: {{image: debian, flavour: debian}}
head: {{image: batch, cpus: 1, memory: 1GiB}}
pools:
  wn: {{image: batch, cpus: 2, memory: 600MiB, count: {{min: 0, max: 4}}}}
  big: {{image: batch, cpus: 4, memory: 1500MiB, count: {{min: 0, max: 2}}}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory, proxy):
    folder = tmp_path_factory.mktemp("chaos")
    with serving(folder, PUBLIC, FARM, through=proxy[1]) as made:
        yield made


SERVE = ("farm.yaml", "--poll", "2s", "--first-boot", "10s")
NOTHING = {
    "squeue": '{"meta": {}, "errors": [], "jobs": []}',
    "sinfo": '{"meta": {}, "errors": [], "nodes": []}',
}


@contextlib.contextmanager
def answering_nothing(queue, program):
    """Have a program of Slurm's answer with an empty list where it is asked for JSON.

    That it is not there at all for a moment is one more answer that is none.
    """
    path = f"/usr/bin/{program}"
    script = f"""\
#!/bin/sh
case " $* " in
    *" --json "*) echo '{NOTHING[program]}' ;;
    *) exec {path}.real "$@" ;;
esac
"""
    queue.sh(
        f"mv {path} {path}.real && printf %s {shlex.quote(script)} >{path} "
        f"&& chmod 755 {path}"
    )
    try:
        yield
    finally:
        queue.sh(f"mv {path}.real {path}")


def lasts(served, seconds):
    """Let something last, while the daemons run all the time."""
    ends = time.monotonic() + seconds
    until(lambda: time.monotonic() > ends, served, seconds=seconds + 9, what="time")


def busy(served, queue, nodes, seconds=90):
    """Wait until jobs run on so many nodes."""
    until(
        lambda: len({run.node for run in queue.running()}) >= nodes,
        served,
        seconds=seconds,
        what=f"jobs run on {nodes} nodes",
    )


@pytest.fixture(scope="module")
def killed():
    """Jobs that ran on a node which the test killed."""
    return set()


def gone(served, queue):
    """Tell whether all workers are gone, and Slurm has forgotten them."""
    return not served.workers() and not queue.sh("sinfo -h -N -o %N")


def test_two_hundred_jobs_of_mixed_shape_run_once_each_from_nothing_to_nothing(
    served, queue
):
    assert served.workers() == {}
    queue.submit(
        (60, 1, "-n1 --mem=100"),
        (30, 3, "-n1 --mem=250"),
        (20, 4, "-n1 -c2 --mem=500"),
        (40, 1, "-n1 --mem=150 --array"),
        (30, 2, "-p big -n1 --mem=300"),
        (20, 3, "-p big -n1 -c4 --mem=1200"),
    )
    assert queue.submitted == 200
    until(lambda: not queue.left(), served, seconds=400, what="all jobs end")
    until(lambda: gone(served, queue), served, seconds=240, what="all workers go")
    assert queue.wrong() == []
    pools = {each.node.rpartition("-")[0] for each in queue.endings()}
    assert pools == {"f-wn", "f-big"}


def test_an_empty_list_of_jobs_or_nodes_ends_nobody(served, queue):
    queue.submit((16, 20, "-n1 --mem=200"), (6, 20, "-p big -n1 -c2 --mem=600"))
    busy(served, queue, 3)
    there = served.workers()
    for program, doubt in (("squeue", "no work"), ("sinfo", "not the node itself")):
        before = len(served.journal("the queue is not believed"))
        with answering_nothing(queue, program):
            until(
                lambda before=before, doubt=doubt: any(
                    doubt in each.because
                    for each in served.journal("the queue is not believed")[before:]
                ),
                served,
                seconds=60,
                what=f"{program} is not believed",
            )
            lasts(served, 5)
            assert there.items() <= served.workers().items()


def test_a_dead_daemons_farm_is_taken_over_and_a_killed_workers_jobs_run_again(
    served, queue, killed
):
    served.serve(*SERVE, machine="elsewhere")
    until(
        lambda: sum(PREFIX in each.name for each in served.look().documents) == 2,
        served,
        seconds=30,
        what="both daemons say that they live",
    )
    queue.submit((12, 8, "-n1 --mem=200"))
    busy(served, queue, 3)
    victim = max(queue.running(), key=lambda run: run.began).node
    vm = served.workers()[victim]
    killed.update(run.job for run in queue.running() if run.node == victim)
    owner = served.owner()
    others = [each for each in served.daemons if each is not owner]
    served.kill(owner)
    killed_at = time.time()
    os.kill(served.cloud.node(vm), signal.SIGKILL)
    before = served.said_by(*others)
    queue.submit((8, 2, "-n1 --mem=200"))
    moment = time.monotonic()
    pids = {each.pid for each in others}

    def taken_over():
        # The work may be done by then, and nothing is left to be said of it.
        kept = kept_by(served.look().documents).get("f")
        by_other = kept is not None and kept.pid in pids and kept.load is not None
        seen = by_other and kept.load.truth > killed_at
        return seen or served.said_by(*others) != before

    until(taken_over, served, seconds=60, what="the other daemon has the farm")
    print(f"taken over {time.monotonic() - moment:.0f} s after the kill")
    until(lambda: not queue.left(), served, seconds=180, what="all jobs end")


def test_daemons_killed_at_random_lose_nothing(served, queue):
    chance = random.Random(20261122)
    for _ in range(5):
        queue.submit((4, 4, "-n1 --mem=200"), (2, 4, "-p big -n1 -c2 --mem=600"))
        lasts(served, chance.uniform(0.5, 8))
        for daemon in tuple(served.daemons):
            served.kill(daemon)
        served.serve(*SERVE)


def test_while_opennebula_is_away_work_goes_on(served, queue, proxy):
    queue.submit((8, 3, "-n1 --mem=200"))
    proxy[0][0].down()
    lasts(served, 12)
    queue.submit((8, 3, "-n1 --mem=200"))
    lasts(served, 6)
    proxy[0][0].up()
    until(lambda: not queue.left(), served, seconds=180, what="all jobs end")
    assert "OpenNebula is away" in served.log()


def test_a_controller_that_is_away_for_a_minute_loses_nothing(served, queue):
    queue.submit((10, 9, "-n1 --mem=200"))
    busy(served, queue, 1)
    queue.sh("service slurmctld stop")
    lasts(served, 60)
    queue.sh("service slurmctld start")
    until(lambda: not queue.left(), served, seconds=180, what="all jobs end")
    assert served.journal("nothing is ended")


def test_a_drain_is_taken_back_when_work_comes(served, queue):
    before = len(served.journal("drain taken back"))

    def taken_back():
        drains = len(served.journal("node drained"))
        queue.submit((8, 2, "-n1 --mem=200"))
        until(
            lambda: len(served.journal("node drained")) > drains,
            served,
            seconds=180,
            what="a node is drained",
        )
        queue.submit((10, 2, "-n1 -c2 --mem=400"))
        until(lambda: not queue.left(), served, seconds=120, what="all jobs end")
        return len(served.journal("drain taken back")) > before

    until(taken_back, served, seconds=300, what="a drain is taken back")


def test_after_all_that_each_job_ran_once_and_no_node_ended_under_one(
    served, queue, killed
):
    until(lambda: not queue.left(), served, seconds=180, what="all jobs end")
    until(lambda: gone(served, queue), served, seconds=240, what="all workers go")
    assert queue.wrong(killed=killed) == []
