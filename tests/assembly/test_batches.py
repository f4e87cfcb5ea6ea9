"""Which batch systems can be followed, how they are asked, and who is refused."""

from pathlib import Path

import pytest

from farmctl.assembly import batches, serving
from farmctl.batch.gridengine import GridEngine
from farmctl.batch.slurm import Slurm
from farmctl.daemon import Meters, Settings
from farmctl.errors import InputError, NotPossibleError, WrongBatchError
from farmctl.model.guests import Guest, Ran
from farmctl.model.nodes import Role
from farmctl.spec import parse_farm, parse_site

SITE = """\
site: torino
domain: farm.example.org
hypervisors:
  service: {requires: 'A="1"', system_datastore: gluster}
  worker: {requires: 'A="2"', system_datastore: lvm}
networks:
  farms: {supernet: 172.16.0.0/16, driver: dummy}
  public: {name: public}
images: {openwrt: openwrt-24.10, head: head-el9, wn: wn-el9}
"""
FARM = """\
farm: alice
kind: batch
router: {{image: openwrt}}
head: {{image: head, cpus: 4, memory: 8GiB}}
pools:
  wn: {{image: wn, cpus: 6, memory: 15GiB, count: {{min: 0, max: 4}}}}
batch: {kind}
"""
HEAD = Guest(name="alice-head", vm_id=1, role=Role.HEAD, address="172.16.0.253")


class Bare:
    """A head without any batch system."""

    def __init__(self):
        self.asked = []

    def run(self, guest, command, *, stdin="", timeout=60.0):
        self.asked.append(list(command))
        return Ran(status=127, out="", err="env: 'scontrol': No such file or directory")


def farm(kind):
    return parse_farm(FARM.format(kind=kind))


def test_a_farm_gets_the_batch_system_that_its_file_names():
    shell = Bare()
    assert isinstance(batches.made(farm("slurm"), shell, HEAD), Slurm)
    assert isinstance(batches.made(farm("gridengine"), shell, HEAD), GridEngine)
    with pytest.raises(NotPossibleError, match="cannot follow HTCondor's queue"):
        batches.made(farm("htcondor"), shell, HEAD)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("slurm", "Slurm's programs"), ("gridengine", "GridEngine's programs")],
)
def test_a_head_without_the_batch_system_is_told_so(kind, said):
    system = batches.made(farm(kind), Bare(), HEAD)
    with pytest.raises(WrongBatchError) as caught:
        system.sample()
    assert str(caught.value).startswith(f"{said} are not there")


def test_gridengines_programs_run_with_what_the_profile_sets():
    shell = Bare()
    with pytest.raises(WrongBatchError):
        batches.made(farm("gridengine"), shell, HEAD).sample()
    assert shell.asked[0][:4] == ["sh", "-lc", 'exec "$@"', "sh"]


def test_serve_refuses_a_farm_file_whose_queue_nobody_can_follow(tmp_path):
    path = Path(tmp_path / "alice.yaml")
    path.write_text(FARM.format(kind="htcondor"))
    daemon = serving.daemon(
        parse_site(SITE), [str(path)], Settings(), Meters(), announce=print
    )
    with pytest.raises(InputError) as caught, daemon:
        pass
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.path) == (7, "batch")
    assert mistake.message.startswith("farmctl serve cannot follow HTCondor's queue")
    assert mistake.hint == "Size this farm with farmctl apply and farmctl scale."
