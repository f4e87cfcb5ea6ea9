"""`farmctl serve` on real nodes: a farm goes from nothing to its work and back.

Everything is real but the size: OpenNebula's API, nodes, SSH, Ansible, Slurm. What is
done is done by the daemon alone, which is handed a farm file; what is seen is what
Slurm itself says of its jobs, and which VMs were there while they ran.
"""

import os
import shutil
import time

import pytest
from served import is_up, serving, until

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="real nodes need root"),
    pytest.mark.skipif(not shutil.which("ssh"), reason="openssh-client is needed"),
    pytest.mark.xdist_group("serve"),
]

PUBLIC = "198.18.9.0/24"
JOBS = 30

FARM = """\
farm: f
kind: batch
batch: slurm
price: 1
router: {image: debian, flavour: debian}
head: {image: batch, cpus: 1, memory: 1GiB}
pools:
  wn: {image: batch, cpus: 2, memory: 600MiB, count: {min: 0, max: 4}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("serve"), PUBLIC, FARM) as made:
        yield made


def test_a_farm_is_made_follows_its_queue_and_goes_back_to_nothing(served):
    served.serve("farm.yaml", "--poll", "2s", "--first-boot", "10s")
    until(lambda: is_up(served), served, seconds=240, what="the head is up")
    assert served.workers() == {}
    served.on_head(
        f"for n in $(seq {JOBS}); do "
        'sbatch -n1 --requeue -o /dev/null --wrap "sleep $((n % 6 + 2))"; done'
    )
    submitted = time.monotonic()
    until(served.workers, served, seconds=60, what="workers are asked for")
    asked = time.monotonic() - submitted
    ended: dict[str, tuple[str, int, str]] = {}
    most = 0

    def all_ended() -> bool:
        nonlocal most
        workers = served.workers()
        most = max(most, len(workers))
        ended.update(
            (job, seen)
            for job, seen in served.jobs().items()
            if seen[0] not in {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"}
        )
        return len(ended) == JOBS

    until(all_ended, served, seconds=300, what="all jobs end")
    assert {seen[:2] for seen in ended.values()} == {("COMPLETED", 0)}
    assert 1 <= most <= 4
    until(lambda: not served.workers(), served, seconds=240, what="all workers go")
    until(
        lambda: not served.on_head("sinfo -h -N -o %N").strip(),
        served,
        seconds=60,
        what="Slurm has forgotten all of them",
    )
    print(f"asked for {asked:.1f} s after the submission, at most {most} workers")
