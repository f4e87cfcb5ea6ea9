"""A daemon's round over many farms with nothing to do: its seconds, and its calls.

The farms are batch farms whose queues are empty and answer at once, so that what is
measured is the daemon's own: one look for all, and for each farm joining, evidence,
the scaling core and the comparison with what was asked for last.
"""

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from farmctl.clock import SystemClock
from farmctl.cloud.opennebula import connect
from farmctl.context import contexts, routers
from farmctl.daemon import Daemon, Meters, Settings, Supervisor
from farmctl.daemon.files import Files
from farmctl.journal import Journal
from farmctl.model.nodes import Role
from farmctl.model.sample import NodeSample, NodeState, Sample
from farmctl.reconcile import Silence, Tempo, World, apply
from farmctl.spec import parse_farm, parse_site, read_farm
from farmctl.testing import OpenNebula, fast_settings

WORKERS = 8
ROUNDS = 5

SITE = """
site: bench
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker:  {requires: 'FARM_CLASS="worker"',  system_datastore: lvm}
networks:
  farms:  {supernet: 172.16.0.0/16, driver: dummy}
  public: {name: public}
images: {openwrt: openwrt-24.10, head: head-el9-2026-11, wn: wn-el9-2026-11}
"""

FARM = """
farm: bench-{number:03d}
kind: batch
batch: slurm
router: {{image: openwrt, public_address: none}}
head: {{image: head, cpus: 1, memory: 512MiB}}
pools:
  wn: {{image: wn, cpus: 1, memory: 256MiB, count: {{min: {workers}, max: 20}}}}
"""


class Idle:
    """A batch system with nodes and no work, which answers at once."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.nodes = tuple(
            NodeSample(
                name=name,
                pool="",
                slots=1,
                state=NodeState.READY,
                since=0.0,
                joined=1.0,
                idle_since=1.0,
            )
            for name in names
        )

    def sample(self) -> Sample:
        return Sample(taken=time.time(), nodes=self.nodes, system="idle")

    def drain(self, nodes, _reason):
        return dict.fromkeys(nodes, "")

    undrain = forget = drain


class AllIdle:
    """The batch systems of all farms."""

    def __init__(self) -> None:
        self.known: dict[str, Idle] = {}

    def of(self, farm, guests) -> Idle:
        if farm.name not in self.known:
            names = tuple(each.name for each in guests if each.role is Role.WORKER)
            self.known[farm.name] = Idle(names)
        return self.known[farm.name]

    def close(self) -> None:
        """Nothing is open."""


def measure(folder: Path, farms: tuple[int, ...]) -> dict[int, tuple[float, object]]:
    """Return for each number of farms the median seconds of a round, and its calls."""
    settings = fast_settings(folder / "cloud", worker_hosts=80, service_hosts=20)
    one = OpenNebula(settings)
    one.start()
    found = {}
    try:
        world = World(
            cloud=connect(one.endpoint, str(one.auth_file)),
            site=parse_site(SITE),
            clock=SystemClock(),
            journal=Journal(folder / "journal", now=time.time, warn=print),
            contexts=contexts,
            routers=routers,
            progress=Silence(),
            tempo=replace(Tempo(), poll_fastest=0.1),
        )
        made = 0
        for count in farms:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda n: _make(world, n), range(made, count)))
            made = count
            found[count] = _rounds(world, one)
        world.cloud.close()
    finally:
        one.stop()
    return found


def _make(world: World, number: int) -> None:
    outcome = apply(world, parse_farm(FARM.format(number=number, workers=WORKERS)))
    if not outcome.complete:
        raise SystemExit(f"not complete: {outcome}")


def _rounds(world: World, one: OpenNebula) -> tuple[float, object]:
    daemon = Daemon(
        world,
        AllIdle(),
        Files([], read_farm),
        replace(Settings(), beat=3600.0),
        meters=Meters(),
        supervisor=Supervisor({}),
    )
    seconds, calls = [], []
    for number in range(ROUNDS + 1):
        daemon._stop.clear()
        one.reset_calls()
        began = time.perf_counter()
        asyncio.run(daemon.run(once=True))
        if number:  # the first one draws every plan
            seconds.append(time.perf_counter() - began)
            told = one.calls()
            for own in ("allocate", "update", "delete"):  # of the daemon's own name
                told.pop(f"one.document.{own}", None)
            calls.append(told)
    return statistics.median(seconds), MappingProxyType(calls[-1])
