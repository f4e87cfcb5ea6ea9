"""Two hundred jobs from nothing to nothing, and one mishap after another.

`farmctl serve` alone does the work, on real nodes with a real Slurm. What is asserted
is what a user would miss: each job ran once and ended well, whatever went wrong, and
no VM was ended while a job ran there.
"""

import os
import shutil

import pytest
from jobs import CONF, Listening, Queue
from served import is_up, serving, until

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
def proxy():
    made = []

    def through(endpoint):
        made.append(Listening(endpoint))
        return made[0].endpoint

    yield made, through
    for each in made:
        each.down()


@pytest.fixture(scope="module")
def served(tmp_path_factory, proxy):
    folder = tmp_path_factory.mktemp("chaos")
    with serving(folder, PUBLIC, FARM, through=proxy[1]) as made:
        yield made


@pytest.fixture(scope="module")
def queue(served, proxy):
    served.serve("farm.yaml", "--poll", "2s", "--first-boot", "10s")
    until(lambda: is_up(served), served, seconds=240, what="the head is up")
    made = Queue(served.cloud, proxy[0][0], "f")
    made.prepare()
    return made


def gone(served, queue):
    """Tell whether all workers are gone, and Slurm has forgotten them."""
    return not served.workers() and not queue.sh("sinfo -h -N -o %N")


def test_two_hundred_jobs_of_mixed_shape_run_once_each_from_nothing_to_nothing(
    served, queue
):
    assert served.workers() == {}
    queue.submit(
        (60, 1, "-n1 --mem=100"),
        (30, 4, "-n1 --mem=250"),
        (20, 7, "-n1 -c2 --mem=500"),
        (40, 2, "-n1 --mem=150 --array"),
        (30, 3, "-p big -n1 --mem=300"),
        (20, 5, "-p big -n1 -c4 --mem=1200"),
    )
    assert queue.submitted == 200
    until(lambda: not queue.left(), served, seconds=400, what="all jobs end")
    until(lambda: gone(served, queue), served, seconds=240, what="all workers go")
    assert queue.wrong() == []
    pools = {each.node.rpartition("-")[0] for each in queue.endings()}
    assert pools == {"f-wn", "f-big"}
