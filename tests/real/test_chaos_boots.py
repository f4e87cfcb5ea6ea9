"""Boots that fail on real nodes: of a broken image few are tried, all others go on.

Three pools' worth of trouble at once in one farm that `farmctl serve` keeps: an image
whose nodes never report that they are ready, three boots in a row that OpenNebula
fails, and a node that comes up and never joins Slurm.
"""

import contextlib
import os
import shutil
import subprocess

import pytest
from jobs import CONF
from lxml import etree
from realnodes import Nodes
from served import serving, until

from farmctl.errors import NotPossibleError

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="real nodes need root"),
    pytest.mark.skipif(not shutil.which("ssh"), reason="openssh-client is needed"),
    pytest.mark.xdist_group("chaos"),
]

PUBLIC = "198.18.42.0/24"
CAP = 5
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
  big: {{image: batch, cpus: 4, memory: 1500MiB, count: {{min: 0, max: 4}}}}
  bad: {{image: broken, cpus: 1, memory: 600MiB, count: {{min: 0, max: 20}}}}
"""
DEADLINES = "deadlines: {running: 60s, ready: 20s, joined: 20s}\n"
IMAGE = """\
NAME="debian-broken"
PATH="tree:{recipe}"
SIZE="1024"
DEV_PREFIX="sd"
"""
RECIPE = """\
about: an image whose nodes never say that they are ready
extends: debian-batch-12
"""
MUTE = "printf '#!/bin/sh\\nexit 0\\n' >/usr/sbin/slurmd && chmod 755 /usr/sbin/slurmd"


@pytest.fixture(scope="module")
def served(tmp_path_factory, proxy):
    folder = tmp_path_factory.mktemp("boots")
    agent = folder / "broken" / "files" / "usr" / "sbin" / "farmctl-context"
    agent.parent.mkdir(parents=True)
    agent.write_text("#!/bin/sh\nexit 0\n")
    recipe = folder / "broken" / "recipe.yaml"
    recipe.write_text(RECIPE)
    with serving(folder, PUBLIC, FARM, through=proxy[1], more=DEADLINES) as made:
        Nodes(made.cloud).image(IMAGE.format(recipe=recipe.parent))
        site = folder / "site.yaml"
        names = "batch: debian-batch-12, broken: debian-broken}"
        site.write_text(site.read_text().replace("batch: debian-batch-12}", names))
        yield made


def boots(served, pool):
    """Return how many VMs of a pool there have ever been."""
    shown = served.cloud.call("one.vmpool.info", -2, -1, -1, -2)
    names = etree.fromstring(shown.encode()).findall("VM/NAME")
    return sum((each.text or "").startswith(f"f-{pool}-") for each in names)


def limits(served):
    """Return all that was said of why there are not more nodes."""
    return [each.because for each in served.journal("not more nodes")]


def run_to_the_end(served, queue):
    until(lambda: not queue.left(), served, seconds=180, what="all jobs end")


def test_of_a_broken_image_no_more_than_the_cap_is_booted(served, queue):
    queue.sh(
        "for n in $(seq 20); do "
        "sbatch -Q -J broken -p bad -n1 --mem=100 -o /dev/null --wrap true; done"
    )
    until(lambda: boots(served, "bad"), served, seconds=60, what="its nodes boot")
    until(
        lambda: any(
            "boots of its image failed in a row" in why for why in limits(served)
        ),
        served,
        seconds=120,
        what="its breaker opens",
    )
    assert boots(served, "bad") <= CAP
    assert any("nobody has seen its image come up yet" in why for why in limits(served))
    aside = [each.because for each in served.journal("node put aside")]
    assert "it ran, and its guest did not report that it is ready within 20 s" in aside


def test_three_boots_that_fail_keep_no_job_from_running(served, queue):
    failing = served.cloud.fault("boot", name="f-big-*", count=3)
    queue.submit((10, 3, "-p big -n1 -c4 --mem=1200"))
    run_to_the_end(served, queue)
    failing.lift()
    assert boots(served, "big") >= 4


def test_a_node_that_never_joins_is_replaced_and_its_work_done_by_others(served, queue):
    known = set(served.workers())

    def maimed():
        for name in set(served.workers()) - known:
            with contextlib.suppress(NotPossibleError, subprocess.SubprocessError):
                served.cloud.inside(name, "sh", "-c", MUTE)
                return name
        return ""

    before = len(served.journal("node put aside"))
    queue.submit((12, 5, "-n1 -c2 --mem=400"))
    name = until(maimed, served, seconds=90, what="a new node runs")
    run_to_the_end(served, queue)
    assert name not in {run.node for runs in queue.runs().values() for run in runs}
    until(
        lambda: any(
            each.values.get("subject") == name
            for each in served.journal("node put aside")[before:]
        ),
        served,
        seconds=90,
        what=f"{name} is put aside",
    )
    aside = served.journal("node put aside")[-1]
    assert "the batch system does not know it within" in aside.because


def test_the_broken_image_is_tried_ever_more_rarely_and_all_is_explained(served, queue):
    until(
        lambda: any("tried now" in why for why in limits(served)),
        served,
        seconds=120,
        what="one is tried again",
    )
    tries = boots(served, "bad")
    assert tries <= CAP + 2
    told = served.farmctl("explain", "f")
    assert "boots of its image failed in a row" in told
    queue.sh("scancel -n broken")
    until(lambda: not served.workers(), served, seconds=240, what="all workers go")
    assert queue.wrong() == []
