"""Slurm on a farm of real nodes: workers come, work and go."""

import pytest
from farmland import until

pytestmark = pytest.mark.xdist_group("farms")

SCRIPT = """\
#!/bin/sh
#SBATCH --partition=big --constraint=big --cpus-per-task=2 --mem=600 --time=2
echo "$SLURM_JOB_PARTITION $SLURM_CPUS_ON_NODE $SLURM_MEM_PER_NODE $(hostname)"
srun hostname -f
"""


def names(*numbers, pool="wn"):
    return [f"alice-{pool}-{each:03d}" for each in numbers]


BIG = {"alice-big-001": "idle 2 700 big"}


def srun(land, *words):
    told = land.inside("alice-head", f"srun -t1 {' '.join(words)}", timeout=60)
    return sorted(told.split())


def test_workers_are_there_without_anybody_having_told_the_head(land):
    assert land.slurm() == BIG | dict.fromkeys(names(1, 2), "idle 1 400 wn")
    conf = land.inside("alice-head", "cat /etc/slurm/slurm.conf")
    assert "alice-wn-001" not in conf
    assert "NodeName" not in conf


def test_a_job_over_all_workers_runs_on_each(land):
    assert srun(land, "-N2", "hostname") == names(1, 2)


def test_more_workers_join_by_themselves_and_work_at_once(land):
    land.farmctl("scale", "alice", "wn", "4", "--yes")
    try:
        assert srun(land, "-N4", "--immediate=10", "hostname") == names(1, 2, 3, 4)
        joined = dict.fromkeys(names(1, 2, 3, 4), "idle 1 400 wn")
        assert land.slurm() == BIG | joined
    finally:
        land.farmctl("scale", "alice", "wn", "2", "--yes", "--interrupt")
    assert list(land.slurm()) == ["alice-big-001", *names(1, 2)]
    assert "alice-wn-003" not in land.inside("alice-head", "scontrol show nodes")
    assert not land.works("alice-head", "getent hosts alice-wn-003")
    assert srun(land, "-N2", "hostname") == names(1, 2)


def test_a_worker_that_went_while_slurm_was_away_is_struck_off_by_the_next_apply(land):
    land.farmctl("scale", "alice", "wn", "3", "--yes")
    try:
        land.inside("alice-head", "service slurmctld stop")
        ran = land.run("scale", "alice", "wn", "2", "--yes", "--interrupt")
        assert "alice-wn-003, not struck off yet: slurmctld does not" in (
            ran.stdout + ran.stderr
        ).replace("\n", " ")
        land.inside("alice-head", "service slurmctld start")
        until(lambda: "alice-wn-003" in land.slurm(), what="slurmctld")
        land.apply("alice")
        assert list(land.slurm()) == ["alice-big-001", *names(1, 2)]
    finally:
        land.inside("alice-head", "service slurmctld start")
        land.farmctl("scale", "alice", "wn", "2", "--yes", "--interrupt")


def test_a_job_finds_the_cores_the_memory_and_the_features_it_asked_for(land):
    (worker,) = names(1, pool="big")
    land.inside("alice-head", f"cat >/root/script <<'EOF'\n{SCRIPT}EOF")
    land.inside("alice-head", "cd /root && sbatch -W -o job.out script", timeout=60)
    told = land.inside(worker, "cat /root/job.out").splitlines()
    assert told == [f"big 2 600 {worker}", f"{worker}.alice.farm.example.org"]
    # wn is the first pool of the file, so jobs that name none go there.
    assert srun(land, "-N2", "hostname") == names(1, 2)


def test_the_exporters_answer_on_the_farms_side_alone(land):
    for node in ("alice-head", "alice-wn-001", "alice-router"):
        host = land.host(node)
        listening = " ".join(host.check_output("ss -Hltn 'sport = 9100'").split())
        assert "172.16.0." in listening
        assert "0.0.0.0:9100" not in listening
    line = f"nc -z -w 1 {land.public('alice')} 9100"
    assert not land.works("outside", line)
