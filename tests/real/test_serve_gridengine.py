"""`farmctl serve` on a GridEngine that somebody has set up: real qmaster, real jobs.

The nodes' VMs are rows of the embedded cloud; for each that is up a machine joins the
GridEngine, as a site's own image or playbook would have it do.
"""

import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import batchnodes
import gridrig
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "daemon"))
sys.path.insert(0, str(Path(__file__).parent.parent / "reconcile"))

import farms
from farms import until

FARM = "grid"

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("batch-gridengine"),
    pytest.mark.skipif(
        bool(batchnodes.missing(gridrig.PROGRAMS)),
        reason=f"a real GridEngine {batchnodes.missing(gridrig.PROGRAMS)}",
    ),
]


@pytest.fixture
def rig():
    with TemporaryDirectory(prefix="gridengine-") as folder:
        Path(folder).chmod(0o755)
        made = gridrig.GridRig(Path(folder), workers=6, pool=f"{FARM}-wn")
        try:
            yield made
        finally:
            made.close()


class Here:
    """The way to the one GridEngine."""

    def __init__(self, rig, cloud):
        self.system, self.cloud = rig.system(), cloud

    def of(self, farm, guests):
        return self.system

    def close(self):
        self.cloud.close()


class Images(threading.Thread):
    """What a worker's image does: join when it is up; and be gone with its VM."""

    def __init__(self, rig, bench):
        super().__init__()
        self.rig, self.bench, self.over = rig, bench, threading.Event()
        self.known = {}

    def run(self):
        while not self.over.wait(0.3):
            vms = {vm.tag.ordinal: vm for vm in self.bench.workers(FARM)}
            for number in [*self.known]:
                if number not in vms or vms[number].id != self.known[number]:
                    self.rig.end(number)
                    del self.known[number]
            for number, vm in vms.items():
                if vm.reported_ready and number not in self.known:
                    self.known[number] = vm.id
                    self.rig.join(number)


def test_a_farm_follows_the_queue_of_a_gridengine_that_is_there(
    rig, opennebula, tmp_path
):
    bench = farms.Bench(opennebula, tmp_path)
    bench.here = Here(rig, bench.here.cloud)
    text = farms.farm_text(FARM, cpus=gridrig.SLOTS, count="{min: 0, max: 6}")
    path = tmp_path / "grid.yaml"
    path.write_text(text.replace("slurm", "gridengine"))
    images = Images(rig, bench)
    images.start()
    try:
        with bench.serving(files=[path]):
            until(lambda: bench.said(FARM, "run complete"), what="the farm is there")
            jobs = [rig.submit(run=("sleep", "6")) for _ in range(9)]
            jobs += [rig.submit("-pe", "smp", "4", run=("sleep", "3"))]
            until(lambda: bench.workers(FARM), what="nodes", seconds=60)
            # Now and then an execd is heard a minute or two after a job's end.
            until(lambda: not rig.do("qstat", "-u", "*").strip(), seconds=300)
            until(lambda: not bench.workers(FARM), what="all nodes go", seconds=60)
            until(
                lambda: not rig.system().sample().nodes,
                what="none is on the list",
                seconds=60,
            )
    finally:
        images.over.set()
        images.join()
        bench.close()
    ended = [
        line.split(":")
        for line in (rig.folder / "root/default/common/accounting")
        .read_text()
        .splitlines()
        if not line.startswith("#")
    ]
    assert sorted(each[5] for each in ended) == sorted(jobs)
    assert {(each[11], each[12]) for each in ended} == {("0", "0")}
    assert {each[1].rpartition("-")[0] for each in ended} == {f"{FARM}-wn"}
    assert len({each[1] for each in ended}) > 1
