"""The daemon: a round over many farms with nothing to do, and how soon it reacts.

Half of the farms are batch farms whose queues are empty and answer at once, the others
have no batch system. What is measured is the daemon's own: one look for all, and for
each farm joining, evidence, the scaling core and the comparison with what was asked for
last. How soon a job is reacted to is measured at its worst: the job comes right after
its farm's queue was read.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import spent

from farmctl.clock import SystemClock
from farmctl.cloud.opennebula import connect
from farmctl.context import contexts, routers
from farmctl.daemon import Daemon, Meters, Settings, Supervisor
from farmctl.daemon.files import Files
from farmctl.journal import Journal
from farmctl.model.nodes import Role
from farmctl.model.sample import NodeSample, NodeState, Sample, Waiting
from farmctl.reconcile import Options, Silence, Tempo, Together, World, apply
from farmctl.spec import parse_farm, parse_site, read_farm
from farmctl.testing import OpenNebula, fast_settings

WORKERS = 4
ROUNDS = 5
SIDE_BY_SIDE = 32
"""Farms that are made at once before anything is measured."""
POLL = 1.0
JOBS = 5
SETTLED = 10
"""At most so many rounds until a daemon that has just begun has nothing left to do."""

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
farm: {name}
{kind}
router: {{image: openwrt, public_address: none}}
head: {{image: head, cpus: 1, memory: 512MiB}}
pools:
  wn: {{image: wn, cpus: 1, memory: 256MiB, count: {count}}}
"""
BATCH = "kind: batch\nbatch: slurm"
PLAIN = "kind: plain"


class Queue:
    """A batch system that answers at once: its nodes work on nothing.

    With `after` a job comes in the moment when that many looks have been answered.
    """

    def __init__(self, names: tuple[str, ...], *, after: int | None = None) -> None:
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
        self._after = after
        self._looks = 0
        self.submitted: float | None = None

    def sample(self) -> Sample:
        """Return what there is."""
        waiting = ()
        if self.submitted is not None:
            waiting = (
                Waiting(owner="u", slots=1, count=len(self.nodes) + 1, since=_ago()),
            )
        self._looks += 1
        sample = Sample(
            taken=time.time(), nodes=self.nodes, waiting=waiting, system="idle"
        )
        if self._looks == self._after:
            self.submitted = time.monotonic()
        return sample

    def drain(self, nodes, _reason):
        """Take it as done."""
        return dict.fromkeys(nodes, "")

    undrain = forget = drain


def _ago() -> float:
    return time.time() - 1.0


class Queues:
    """The batch systems of all farms; a job comes to each as `after` says."""

    def __init__(self, after: dict[str, int] | None = None) -> None:
        self._after = after or {}
        self.known: dict[str, Queue] = {}

    def of(self, farm, guests) -> Queue:
        """Return the farm's."""
        if farm.name not in self.known:
            names = tuple(each.name for each in guests if each.role is Role.WORKER)
            self.known[farm.name] = Queue(names, after=self._after.get(farm.name))
        return self.known[farm.name]

    def close(self) -> None:
        """Nothing is open."""


class Noting:
    """A cloud that notes when a farm's first node is asked for."""

    def __init__(self, cloud) -> None:
        self._cloud = cloud
        self.asked: dict[str, float] = {}

    def instantiate(self, template_id, name, tag, attributes, *, hold):
        """Note it, and ask."""
        self.asked.setdefault(tag.farm, time.monotonic())
        return self._cloud.instantiate(template_id, name, tag, attributes, hold=hold)

    def __getattr__(self, name: str):
        return getattr(self._cloud, name)


def measure(folder: Path, farms: tuple[int, ...]) -> dict[int, tuple]:
    """Return for each number of farms a round's seconds, those spent, and its calls."""
    with _world(folder) as (world, one):
        found, made = {}, 0
        for count in farms:
            _make_all(world, range(made, count))
            made = count
            found[count] = _rounds(world, one)
        return found


def reactions(folder: Path) -> list[float]:
    """Return the seconds from a job's coming to the request for its node, farm by farm.

    Each job comes right after a look: of all moments the one that waits the longest.
    """
    with _world(folder) as (world, _):
        for number in range(JOBS):
            _make(world, 2 * number, workers=1)
        names = [_name(2 * number) for number in range(JOBS)]
        # One round for each farm's job: none is in the way of another.
        queues = Queues({name: 4 + 2 * at for at, name in enumerate(names)})
        noting = Noting(world.cloud)
        daemon = _daemon(replace(world, cloud=noting), queues, poll=POLL)
        thread = threading.Thread(target=lambda: asyncio.run(daemon.run()))
        thread.start()
        ends = time.monotonic() + 60
        while len(noting.asked) < JOBS and time.monotonic() < ends:
            time.sleep(0.05)
        daemon.stop()
        thread.join()
        if len(noting.asked) < JOBS:
            raise SystemExit(f"nodes were asked for by {sorted(noting.asked)} only")
        return [noting.asked[name] - queues.known[name].submitted for name in names]


@contextlib.contextmanager
def _world(folder: Path) -> Iterator[tuple[World, OpenNebula]]:
    settings = fast_settings(folder / "cloud", worker_hosts=80, service_hosts=20)
    one = OpenNebula(settings)
    one.start()
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
        yield world, one
        world.cloud.close()
    finally:
        one.stop()


def _name(number: int) -> str:
    return f"bench-{number:03d}"


def _make_all(world: World, numbers: range) -> None:
    """Make farms side by side: those that look at the same time share a look."""
    world = replace(world, together=Together(world.cloud))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(lambda number: _make(world, number), numbers))


def _make(world: World, number: int, *, workers: int = WORKERS) -> None:
    batch = number % 2 == 0
    count = f"{{min: {workers}, max: 20}}" if batch else workers
    kind = BATCH if batch else PLAIN
    text = FARM.format(name=_name(number), kind=kind, count=count)
    outcome = apply(world, parse_farm(text), Options(wait=False))
    if not outcome.complete:
        raise SystemExit(f"not complete: {outcome}")


def _daemon(world: World, queues: Queues, *, poll: float) -> Daemon:
    return Daemon(
        world,
        queues,
        Files([], read_farm),
        replace(Settings(), beat=3600.0, hypervisors=3600.0, poll=poll),
        meters=Meters(),
        supervisor=Supervisor({}),
    )


def _rounds(world: World, one: OpenNebula) -> tuple:
    daemon = _daemon(world, Queues(), poll=Settings().poll)
    seconds, used = [], []
    calls = _round(daemon, one)
    # The first rounds draw every plan, and note in each document how its farm stands.
    for _ in range(SETTLED):
        before, calls = calls, _round(daemon, one)
        if calls == before:
            break
    for _ in range(ROUNDS):
        began, spent_before = time.perf_counter(), spent.now()
        calls = _round(daemon, one)
        seconds.append(time.perf_counter() - began)
        used.append(spent.now() - spent_before)
    return seconds, used, MappingProxyType(calls)


def _round(daemon: Daemon, one: OpenNebula) -> dict[str, int]:
    daemon._stop.clear()
    one.reset_calls()
    asyncio.run(daemon.run(once=True))
    told = one.calls()
    for own in ("allocate", "update", "delete"):  # of the daemon's own name
        told.pop(f"one.document.{own}", None)
    return dict(told)
