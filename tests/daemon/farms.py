"""Daemons, farms and clouds for the tests of this room; also what a child process runs.

Everything is fast: a boot is taken to last half a second, a look comes every fifth.
"""

import asyncio
import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pretend import Pretend

from farmctl.clock import SystemClock
from farmctl.cloud.opennebula import connect
from farmctl.context import contexts, routers
from farmctl.daemon import Daemon, Meters, Settings, Supervisor
from farmctl.daemon.files import Files
from farmctl.elastic.evidence import Care
from farmctl.journal import Journal
from farmctl.reconcile import Options, Silence, Tempo, World, apply, mark_draining
from farmctl.spec import read_farm, reading

TEMPO = Tempo(
    poll_fastest=0.03,
    poll_slowest=0.2,
    beat=10.0,
    holder_ttl=30.0,
    gate_grace=0.3,
    settle=0.05,
    busy=10.0,
)

FAST = Settings(
    poll=0.2,
    soonest=0.05,
    beat=0.3,
    silent=1.5,
    grace=5.0,
    write=3.0,
    no_room=1.0,
    boot=0.6,
    stop=0.1,
    care=Care(apart=0.15, restart=1.0, settles=30.0),
)

SITE = """
site: test
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker:  {requires: 'FARM_CLASS="worker"',  system_datastore: lvm}
networks:
  farms:  {supernet: 172.30.0.0/16, driver: dummy}
  public: {name: public}
images: {openwrt: openwrt-24.10, head: head-el9-2026-11, wn: wn-el9-2026-11,
  old: wn-el9-2026-10}
deadlines: {running: 20s, ready: 20s, joined: 20s}
"""

FARM = """
farm: {name}
kind: {kind}
router: {{image: openwrt, public_address: none}}
{head}
pools:
  wn: {{image: {image}, cpus: {cpus}, memory: 256MiB, count: {count}}}
{more}
"""


def farm_text(
    name, *, count="{min: 0, max: 6}", kind="batch", image="wn", cpus=1, more=""
):
    batch = kind == "batch"
    head = "head: {image: head, cpus: 1, memory: 512MiB}" if batch else ""
    return FARM.format(
        name=name,
        kind=kind,
        image=image,
        cpus=cpus,
        count=count,
        head=head,
        more=("batch: slurm\n" if batch else "") + more,
    )


class Here:
    """The batch systems of farms, each in a file of one folder."""

    def __init__(self, folder, endpoint, auth_file):
        self.folder = Path(folder)
        self.cloud = connect(endpoint, auth_file, patience=5.0, timeout=5.0)
        self.known = {}

    def queue(self, name, slots=1):
        if name not in self.known:
            self.known[name] = Pretend(
                self.folder / f"{name}.queue",
                name,
                lambda: self.cloud.look().farm(name).vms,
                slots=slots,
            )
        return self.known[name]

    def of(self, farm, guests):
        return self.queue(farm.name, next(iter(farm.pools.values())).cpus)

    def close(self):
        self.cloud.close()


class Bench:
    """A cloud, a folder, and what daemons of this test are made of."""

    def __init__(self, cloud, folder, *, site=SITE):
        self.cloud, self.folder, self.site = cloud, Path(folder), site
        self.here = Here(folder, cloud.endpoint, str(cloud.auth_file))
        self.made = []
        self.guests = None

    def world(self, endpoint="", *, name="", progress=None):
        cloud = connect(
            endpoint or self.cloud.endpoint,
            str(self.cloud.auth_file),
            patience=1.0,
            timeout=5.0,
        )
        self.made.append(cloud)
        return World(
            cloud=cloud,
            site=reading.parse_site(self.site),
            clock=SystemClock(),
            journal=Journal(self.folder / f"journal{name}", now=time.time, warn=print),
            contexts=contexts,
            routers=routers,
            progress=progress or Silence(),
            guests=self.guests,
            tempo=TEMPO,
        )

    def make(self, name, **farm):
        """Apply a farm, as an admin does before there is a daemon."""
        text = farm_text(name, **farm)
        outcome = apply(self.world(), reading.parse_farm(text))
        assert outcome.complete, outcome
        return self.here.queue(name, farm.get("cpus", 1))

    def daemon(self, *, endpoint="", files=(), settings=FAST, meters=None, name=""):
        return Daemon(
            self.world(endpoint, name=name),
            self.here,
            Files([Path(each) for each in files], read_farm),
            settings,
            meters=meters or Meters(),
            supervisor=Supervisor({}),
        )

    @contextmanager
    def serving(self, **given):
        """Let a daemon go on in a thread; stopped, and waited for, at the end."""
        daemon = self.daemon(**given)
        thread = threading.Thread(target=asyncio.run, args=(daemon.run(),))
        thread.start()
        try:
            yield daemon
        finally:
            daemon.stop()
            thread.join(20)
            assert not thread.is_alive(), "the daemon does not stop"

    def drain(self, name, node):
        """Ask for a drain by hand, as `farmctl drain` does."""
        options = Options(command="farmctl drain", lock_wait=10.0)
        mark_draining(self.world(), name, node, options, draining=True)

    def workers(self, name):
        view = self.here.cloud.look().farm(name)
        return [vm for vm in view.vms if vm.tag and vm.tag.role.value == "worker"]

    def said(self, name, event=None, journal=""):
        """Return what a farm's journal says, as event and reason."""
        kept = Journal(self.folder / f"journal{journal}", now=time.time, warn=print)
        return [
            (each.event, each.because)
            for each in kept.read(name)
            if event is None or each.event == event
        ]

    def close(self):
        for each in self.made:
            each.close()
        self.here.close()


def until(holds, *, seconds=30.0, what=""):
    """Wait until something holds; fail with what it was last."""
    ends = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < ends, f"never: {what or holds} (last {found!r})"
        time.sleep(0.05)


def serve(order):
    """Be a daemon of one's own process, until killed or told to stop."""
    here = Here(order["folder"], order["truth"], order["auth_file"])
    cloud = connect(order["endpoint"], order["auth_file"], patience=1.0, timeout=5.0)
    world = World(
        cloud=cloud,
        site=reading.parse_site(order["site"]),
        clock=SystemClock(),
        journal=Journal(Path(order["folder"]) / "journal", now=time.time, warn=print),
        contexts=contexts,
        routers=routers,
        progress=Silence(),
        tempo=replace(TEMPO, gate_grace=0.2),
    )
    daemon = Daemon(
        world, here, Files([], read_farm), FAST, meters=Meters(),
        supervisor=Supervisor({}),
    )  # fmt: skip
    signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
    asyncio.run(daemon.run())
    os._exit(0)
