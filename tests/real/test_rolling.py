"""A new image goes through four real workers that never stop working; a bad one, back.

Everything is real but the size: nodes, SSH, Ansible, Slurm. The farm's file says
another image, and `farmctl serve` does the rest; what is seen is what Slurm says of
each job, and which VMs are there.
"""

import json
import os
import shutil
import time

import pytest
from served import is_up, serving, until

from farmctl import assets

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="real nodes need root"),
    pytest.mark.skipif(not shutil.which("ssh"), reason="openssh-client is needed"),
    pytest.mark.xdist_group("serve"),
]

PUBLIC = "198.18.41.0/24"
WORKERS = 4

FARM = """\
farm: f
kind: batch
batch: slurm
router: {{image: debian, flavour: debian}}
head: {{image: batch, cpus: 1, memory: 1GiB}}
pools:
  wn: {{image: {image}, cpus: 1, memory: 600MiB, count: {{min: 0, max: 4}}}}
"""

NEWER = """\
NAME="debian-batch-next"
PATH="tree:debian-batch-12"
SIZE="1024"
DEV_PREFIX="sd"
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rolling")
    with serving(folder, PUBLIC, FARM.format(image="batch")) as made:
        site = folder / "site.yaml"
        # Playbooks of the site's own, so that a test may change them.
        shutil.copytree(assets.path("playbooks"), folder, dirs_exist_ok=True)
        # The bad one boots and reports READY, and has nothing of Slurm in it.
        names = "batch: debian-batch-12, newer: debian-batch-next, bad: debian-12}"
        site.write_text(site.read_text().replace("batch: debian-batch-12}", names))
        cloud = made.cloud
        (store,) = [
            int(each.findtext("ID"))
            for each in pool(cloud, "datastorepool").findall("DATASTORE")
            if each.findtext("NAME") == "images"
        ]
        image = cloud.call("one.image.allocate", NEWER, store, False)
        until(
            lambda: (
                pool(cloud, "imagepool", -2, -1, -1).find(
                    f"IMAGE[ID='{image}'][STATE='1']"
                )
                is not None
            ),
            made,
            seconds=30,
            what="the image is ready",
        )
        yield made


def pool(cloud, name, *arguments):
    from lxml import etree  # noqa: PLC0415 - with the cloud

    return etree.fromstring(cloud.call(f"one.{name}.info", *arguments).encode())


class Load:
    """A queue that is always full, and what became of each job."""

    def __init__(self, served):
        self.served, self.ended = served, {}

    def keep(self):
        """Submit more where little waits; take note of what has ended."""
        waits = 0
        for job, seen in self.served.jobs().items():
            if seen[0] == "PENDING":
                waits += 1
            elif seen[0] not in {"RUNNING", "COMPLETING", "CONFIGURING"}:
                self.ended[job] = seen
        if waits < 2 * WORKERS:
            self.served.on_head(
                "for n in $(seq 12); do sbatch -n1 --requeue -o /dev/null "
                '--wrap "sleep 7"; done'
            )

    def well(self):
        assert self.ended
        assert {seen[:2] for seen in self.ended.values()} == {("COMPLETED", 0)}


def carried(served):
    """Return with what each worker was configured last."""
    return {
        vm.name: vm.mark.configured
        for vm in served.look().farm("f").vms
        if vm.tag.role.value == "worker" and vm.state.value == "running"
    }


def rolling(served):
    (farm,) = json.loads(served.farmctl("status", "f", "--json"))["farms"]
    return farm["rolling"], farm["refused"]


def working(served, load):
    load.keep()
    nodes = served.on_head("sinfo -h -N -o '%N %t'").split("\n")
    busy = {line.split()[0] for line in nodes if line.endswith((" alloc", " mix"))}
    there = served.workers()
    return there if len(there) == WORKERS and busy == set(there) else {}


def test_a_new_image_goes_through_workers_that_never_stop_working(served):
    served.serve("farm.yaml", "--poll", "2s", "--first-boot", "10s")
    until(lambda: is_up(served), served, seconds=240, what="the head is up")
    load = Load(served)
    old = until(lambda: working(served, load), served, seconds=180, what="all work")
    began = time.monotonic()
    (served.folder / "farm.yaml").write_text(FARM.format(image="newer"))
    most = 0

    def rolled():
        nonlocal most
        load.keep()
        there = served.workers()
        most = max(most, len(there))
        return len(there) == WORKERS and not set(there.values()) & set(old.values())

    until(rolled, served, seconds=400, what="all workers are new")
    print(f"rolled within {time.monotonic() - began:.0f} s, at most {most} workers")
    until(lambda: rolling(served) == ([], []), served, seconds=60, what="it is over")
    assert most <= WORKERS + 1
    load.well()


def test_a_changed_playbook_goes_to_workers_with_jobs_and_interrupts_none(served):
    load = Load(served)
    there = until(lambda: working(served, load), served, seconds=180, what="all work")
    before = carried(served)
    defaults = served.folder / "roles" / "slurm_worker" / "templates" / "slurmd.j2"
    defaults.write_text(f"# Changed by a test.\n{defaults.read_text()}")

    def done():
        load.keep()
        now = carried(served)
        return set(now) == set(before) and not set(now.values()) & set(before.values())

    until(done, served, seconds=200, what="all are configured anew")
    assert served.workers() == there
    said = [each.because for each in served.journal("changed playbook")]
    assert said[-1] == "it works on one worker; the others follow"
    ended = len(load.ended)
    until(
        lambda: load.keep() or len(load.ended) > ended + 2 * WORKERS,
        served,
        seconds=120,
        what="jobs go on ending",
    )
    load.well()


def test_an_image_that_cannot_be_configured_stops_and_the_farm_goes_on(served):
    load = Load(served)
    good = until(lambda: working(served, load), served, seconds=180, what="all work")
    before = len(load.ended)
    began = time.monotonic()
    (served.folder / "farm.yaml").write_text(FARM.format(image="bad"))

    def refused():
        load.keep()
        return rolling(served)[1]

    (refusal,) = until(refused, served, seconds=300, what="it is refused")
    print(f"refused within {time.monotonic() - began:.0f} s: {refusal['because']}")
    assert refusal["pool"] == "wn"

    def back():
        load.keep()
        return not rolling(served)[0]

    until(back, served, seconds=120, what="it has gone back")
    assert set(good.values()) <= set(served.workers().values())
    until(
        lambda: load.keep() or len(load.ended) > before + WORKERS,
        served,
        seconds=120,
        what="jobs go on ending",
    )
    load.well()
