"""What the tests of this room share: a world on a real endpoint, and what to expect.

Also the entry of the process that gets killed: `act` is run in a child that was forked
from a server which has imported everything already, so that a case costs milliseconds.
"""

import threading
from collections import Counter
from dataclasses import dataclass, field

from insides import Insides

from farmctl.clock import SystemClock
from farmctl.cloud.opennebula import connect
from farmctl.context import contexts, routers
from farmctl.model.nodes import Role, VmState
from farmctl.reconcile import (
    Options,
    Result,
    Silence,
    Tempo,
    World,
    apply,
    destroy,
    make_destroy_plan,
    make_plan,
    scale,
    stopping_on_sigterm,
)
from farmctl.spec import reading

FAST = Tempo(
    poll_fastest=0.05,
    poll_slowest=0.3,
    beat=10.0,
    holder_ttl=30.0,
    gate_grace=0.3,
    settle=0.1,
    busy=10.0,
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
images: {openwrt: openwrt-24.10, head: head-el9-2026-11, wn: wn-el9-2026-11}
deadlines: {running: 60s, ready: 60s}
"""


@dataclass(frozen=True)
class Place:
    """Where a cloud is, who asks, and what the site says of it."""

    endpoint: str
    auth_file: str
    site: str = SITE


def place_of(cloud, site=SITE):
    return Place(endpoint=cloud.endpoint, auth_file=str(cloud.auth_file), site=site)


FARM = """
farm: {name}
kind: batch
network: {network}
router: {{image: openwrt, flavour: openwrt, public_address: {public}}}
head: {{image: head, cpus: 1, memory: 512MiB}}
pools:
  wn: {{image: wn, {worker}, count: {{min: {size}, max: 40}}}}
batch: slurm
"""


@dataclass
class Record:
    """Keeps what a run wrote down and told; for the tests to read."""

    written: list = field(default_factory=list)
    told: list = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)
    hear: object = None

    def record(self, farm, event, because, **values):
        with self.guard:
            self.written.append((event, because, values))

    def tell(self, event):
        with self.guard:
            self.told.append(event)
        if self.hear is not None:
            self.hear(event)

    def of(self, kind):
        return [each for each in self.told if isinstance(each, kind)]


SMALL = "cpus: 1, memory: 256MiB"


def farm_of(name, *, size=2, network="auto", public="auto", worker=SMALL):
    text = FARM.format(
        name=name, size=size, network=network, public=public, worker=worker
    )
    return reading.parse_farm(text)


def world_at(
    endpoint, auth_file, site, *, tempo=FAST, patience=20.0, record=None, guests=None
):
    cloud = connect(endpoint, auth_file, patience=patience, timeout=20.0)
    listener = record or Record()
    return World(
        cloud=cloud,
        site=reading.parse_site(site),
        clock=SystemClock(),
        journal=listener,
        contexts=contexts,
        routers=routers,
        guests=guests,
        progress=listener if record else Silence(),
        tempo=tempo,
    )


def act(order):
    """Do what a process of its own is to do: apply, scale or destroy a farm."""
    folder = order.get("guests")
    world = world_at(
        order["endpoint"],
        order["auth_file"],
        order["site"],
        guests=Insides(folder) if folder else None,
    )
    name, options = order["farm"], Options(lock_wait=30.0, interrupt=True)
    try:
        match order["what"]:
            case "apply":
                return apply(world, farm_of(name, size=order.get("size", 2)), options)
            case "scale":
                return scale(world, name, "wn", order["size"], options)
            case "destroy":
                return destroy(world, name, options)
    finally:
        world.cloud.close()


def problems(outcome):
    """Say what an outcome has to complain about; nothing if it is complete."""
    bad = [
        f"{each.subject} {each.result.value}: {each.reason}"
        for each in outcome.steps
        if each.result is not Result.DONE
    ]
    if not outcome.complete:
        bad.append(f"incomplete: {outcome.stopped} {outcome.left}")
    return bad


def settled(world, name, *, size, public=True):
    """Say what is wrong with a farm that should be whole; nothing if it is right."""
    view = world.cloud.look()
    farm = view.farm(name)
    wrong = []
    kinds = Counter(
        (vm.tag.role.value, vm.tag.pool) for vm in farm.vms if vm.tag and vm.tag.role
    )
    expected = {("router", ""): 1, ("head", ""): 1}
    if size:
        expected["worker", "wn"] = size
    if kinds != expected:
        wrong.append(f"nodes {dict(kinds)}")
    wrong += [
        f"{vm.name} is {vm.state_name}"
        for vm in farm.vms
        if vm.state is not VmState.RUNNING or vm.mark.aside
    ]
    addresses = [nic.address for vm in farm.vms for nic in vm.nics]
    if len(set(addresses)) != len(addresses):
        wrong.append(f"addresses {addresses}")
    counts = {
        "documents": (len(farm.documents), 1),
        "networks": (len(farm.networks), 1),
        "groups": (len(farm.groups), 2 if public else 1),
        "templates": (len(farm.templates), 3),
    }
    wrong += [
        f"{found} {what}" for what, (found, want) in counts.items() if found != want
    ]
    if farm.document is not None and farm.document.lock is not None:
        wrong.append("it is still locked")
    wrong += _untagged(view, name)
    wrong += _inside(world, farm)
    plan = make_plan(world, farm_of(name), view=view)
    if not plan.changes_nothing:
        wrong.append(f"a second plan has {[str(step)[:200] for step in plan.steps]}")
    return wrong


def _inside(world, farm):
    """Say which router has other files than its context, and who is still listed."""
    if world.guests is None:
        return []
    gone = world.guests.listed(farm.farm) - {vm.name for vm in farm.vms}
    return [f"{name} is gone, and still listed" for name in sorted(gone)] + [
        f"{vm.name} runs other files than its context has"
        for vm in farm.vms
        if vm.tag.role is Role.ROUTER
        and world.guests.files_of(vm.id) not in {"", vm.router_files}
    ]


def gone(world, name):
    """Say what is left of a farm that should be gone; nothing if it is."""
    view = world.cloud.look()
    plan = make_destroy_plan(world, name, view=view)
    return [str(step) for step in plan.steps] + _untagged(view, name)


def _untagged(view, name):
    """Name what was made for the farm and does not carry its tag."""
    things = (*view.vms, *view.networks, *view.groups, *view.templates, *view.documents)
    return [
        f"orphan {each.name} ({each.id})"
        for each in things
        if each.name.startswith(name) and (each.tag is None or each.tag.farm != name)
    ]


def act_until_told_to_end(order):
    """Do the same, and end in good order on SIGTERM, as the command does."""
    try:
        with stopping_on_sigterm():
            act(order)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
