"""A site, a farm and a cloud as values, and what the steps of a plan do to the cloud.

`Simulated.after` is a small model of OpenNebula: it carries a plan out on a view and
refuses what OpenNebula refuses (an address twice, a name twice, deleting what is used),
so that a plan in a wrong order fails.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest

from farmctl.context import routers
from farmctl.model.attributes import Kind, Ref
from farmctl.model.nodes import Mark, Role, Tag, VmState
from farmctl.model.steps import (
    AwaitNode,
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    CreateObject,
    DeleteObject,
    RemoveNode,
    ReplaceNode,
    StartNode,
)
from farmctl.model.view import (
    AddressRange,
    Capacity,
    CloudView,
    Datastore,
    Document,
    Host,
    Image,
    Network,
    Nic,
    SecurityGroup,
    Template,
    User,
    Vm,
)
from farmctl.plan.objects import object_ids
from farmctl.plan.planning import plan, plan_destroy
from farmctl.plan.resolve import resolve
from farmctl.plan.router import mac_of
from farmctl.plan.routing import Routing
from farmctl.spec import Farm, Site

SITE = {
    "site": "torino",
    "domain": "farm.example.org",
    "hypervisors": {
        "service": {
            "requires": 'FARM_CLASS="service"',
            "system_datastore": "gluster",
        },
        "worker": {"requires": 'FARM_CLASS="worker"', "system_datastore": "lvm"},
    },
    "networks": {
        "farms": {"supernet": "172.16.0.0/16", "driver": "dummy"},
        "public": {"name": "public"},
    },
    "images": {
        "openwrt": "openwrt-24.10",
        "head-el9": "head-el9-2026-11",
        "wn-el9": "wn-el9-2026-11",
        "wn-old": "wn-el9-2026-10",
    },
    "admin": {"addresses": ["198.51.100.0/28"]},
}

FARM = {
    "farm": "alice",
    "kind": "batch",
    "batch": "slurm",
    "router": {
        "image": "openwrt",
        "flavour": "openwrt",
        "forwards": [
            {
                "name": "ssh",
                "port": 2222,
                "to": "head",
                "to_port": 22,
                "from": ["192.0.2.0/24"],
            }
        ],
    },
    "head": {"image": "head-el9", "cpus": 4, "memory": "8GiB", "disk": "40GiB"},
    "pools": {
        "wn": {
            "image": "wn-el9",
            "cpus": 6,
            "memory": "15GiB",
            "disk": "120GiB",
            "count": 3,
        }
    },
}

PUBLIC_ID = 0


def merge(base, over):
    """Return `base` with what `over` says; None takes a key away, lists replace."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def make_site(over=None):
    return Site.model_validate(merge(SITE, over or {}))


def make_farm(over=None):
    return Farm.model_validate(merge(FARM, over or {}))


def make_view(**more):
    defaults = {
        "at": 1_800_000_000.0,
        "version": "7.4.0",
        "endpoint": "http://one.example.org:2633/RPC2",
        "user": User(id=0, name="oneadmin", admin=True),
        "networks": (
            Network(
                id=PUBLIC_ID,
                name="public",
                owner_id=0,
                owner="oneadmin",
                ranges=(AddressRange(first="192.0.2.10", size=64),),
                attributes={"SECURITY_GROUPS": ""},
            ),
        ),
        "images": tuple(
            Image(id=number, name=name, owner_id=0, owner="oneadmin", size_mib=1024)
            for number, name in enumerate(
                [
                    "openwrt-24.10",
                    "head-el9-2026-11",
                    "wn-el9-2026-11",
                    "wn-el9-2026-10",
                ]
            )
        ),
    }
    return CloudView(**{**defaults, **more})


def make_capacity(*, workers=4, services=2, cpus=24.0, memory_mib=131_072):
    hosts = [
        Host(
            id=number,
            name=f"{kind}-{number:02d}",
            usable=True,
            state_name="MONITORED",
            cluster_id=0,
            free_cpus=cpus,
            free_memory_mib=memory_mib,
            total_cpus=cpus,
            total_memory_mib=memory_mib,
            running_vms=0,
            attributes={"FARM_CLASS": kind, "NAME": f"{kind}-{number:02d}"},
        )
        for number, kind in enumerate(["service"] * services + ["worker"] * workers)
    ]
    stores = [
        Datastore(
            id=100 + number,
            name=name,
            system=True,
            usable=True,
            free_mib=10_000_000,
            cluster_ids=frozenset({0}),
        )
        for number, name in enumerate(["gluster", "lvm"])
    ]
    return Capacity(hosts=tuple(hosts), datastores=tuple(stores))


class Simulated:
    """The cloud, changed by plans; what OpenNebula would refuse fails a test."""

    def __init__(self, view):
        self.view = view

    def after(self, made):
        for wave in made.waves:
            # Within a wave nothing may rest on an order: take it backwards as well.
            for step in reversed(wave):
                self.take(step, made.farm)
        return self.view

    def take(self, step, farm):
        match step:
            case CreateObject():
                self.create(step)
            case ChangeObject():
                self.change(step)
            case DeleteObject():
                self.delete(step)
            case CreateNode():
                self.start(step.node, farm)
            case ReplaceNode():
                self.end(step.vm_id, farm)
                self.start(step.node, farm)
            case RemoveNode():
                self.end(step.vm_id, farm)
            case StartNode() | AwaitNode():
                self.edit_vm(step.vm_id, state=VmState.RUNNING, reported_ready=True)
            case ChangeRouter():
                (router,) = (v for v in self.staying(farm) if v.id == step.vm_id)
                assert router.name == step.name
                there = {vm.name for vm in self.staying(farm)}
                assert not there & set(step.leavers), (
                    "a node that is there is forgotten"
                )
                self.edit_vm(router.id, router_files=step.files)
            case ConfigureNodes():
                for name in step.names:
                    (vm,) = (v for v in self.staying(farm) if v.name == name)
                    assert vm.reported_ready, f"{name} is not up"
                    mark = replace(vm.mark, configured=step.configuration)
                    self.edit_vm(vm.id, mark=mark)

    def staying(self, farm):
        over = {VmState.GONE, VmState.ENDING}
        return [vm for vm in self.view.farm(farm).vms if vm.state not in over]

    def next_id(self):
        view = self.view
        things = (view.networks, view.groups, view.templates, view.documents, view.vms)
        return 1 + max((each.id for kind in things for each in kind), default=0)

    def resolved(self, attributes, farm):
        ids = object_ids(self.view.farm(farm))

        def text(value):
            return str(ids[value]) if isinstance(value, Ref) else value.strip()

        def vector(value):
            return {key: text(item) for key, item in value.items()}

        shown = {}
        for key, value in attributes.items():
            if isinstance(value, str | Ref):
                shown[key] = text(value)
            elif isinstance(value, Mapping):
                shown[key] = vector(value)
            elif isinstance(value, Sequence) and len(value) == 1:
                shown[key] = vector(value[0])
            else:
                shown[key] = [vector(each) for each in value]
        return shown

    def create(self, step):
        view, new = self.view, self.next_id()
        pool = {
            Kind.NETWORK: view.networks,
            Kind.SECURITY_GROUP: view.groups,
            Kind.TEMPLATE: view.templates,
            Kind.DOCUMENT: (),
        }[step.kind]
        assert not [
            each
            for each in pool
            if each.name == step.name and each.owner_id == view.user.id
        ], f"NAME is already taken: {step.name}"
        common = {"id": new, "name": step.name, "owner_id": view.user.id}
        if step.kind is Kind.DOCUMENT:
            body = json.loads(step.attributes["BODY"])
            made = Document(**common, tag=step.tag, body=body)
            self.view = replace(view, documents=(*view.documents, made))
            return
        shown = self.resolved(step.attributes, step.tag.farm)
        if step.kind is Kind.NETWORK:
            area = shown.pop("AR")
            ranges = (AddressRange(first=area["IP"], size=int(area["SIZE"])),)
            extra = {"BRIDGE_TYPE": "linux", "VLAN_ID": "", "OUTER_VLAN_ID": ""}
            made = Network(
                **common,
                owner=view.user.name,
                tag=step.tag,
                ranges=ranges,
                attributes={"PHYDEV": "", **extra, **shown},
            )
            self.view = replace(view, networks=(*view.networks, made))
        elif step.kind is Kind.SECURITY_GROUP:
            made = SecurityGroup(**common, tag=step.tag, attributes=shown)
            self.view = replace(view, groups=(*view.groups, made))
        else:
            made = Template(**common, tag=step.tag, attributes=shown)
            self.view = replace(view, templates=(*view.templates, made))

    def change(self, step):
        view = self.view
        if step.kind is Kind.DOCUMENT:
            body = json.loads(step.attributes["BODY"])
            self.view = replace(
                view, documents=_edited(view.documents, step, body=body)
            )
            return
        shown = self.resolved(step.attributes, step.tag.farm)
        named = {"name": step.name, "tag": step.tag}
        if step.kind is Kind.NETWORK:
            fixed = {"AR", "BRIDGE", "PHYDEV", "VN_MAD", "VLAN_ID", "AUTOMATIC_VLAN_ID"}
            old = next(each for each in view.networks if each.id == step.id)
            kept = {key: value for key, value in shown.items() if key not in fixed}
            attributes = {**old.attributes, **kept}
            self.view = replace(
                view,
                networks=_edited(view.networks, step, attributes=attributes, **named),
            )
        elif step.kind is Kind.SECURITY_GROUP:
            self.view = replace(
                view, groups=_edited(view.groups, step, attributes=shown, **named)
            )
        else:
            self.view = replace(
                view, templates=_edited(view.templates, step, attributes=shown, **named)
            )

    def delete(self, step):
        view = self.view
        living = [vm for vm in view.vms if vm.state is not VmState.GONE]
        nics = [nic for vm in living for nic in vm.nics]
        if step.kind is Kind.NETWORK:
            assert not [nic for nic in nics if nic.network_id == step.id], "in use"
        if step.kind is Kind.SECURITY_GROUP:
            assert not [nic for nic in nics if step.id in nic.security_group_ids]
        field = {
            Kind.NETWORK: "networks",
            Kind.SECURITY_GROUP: "groups",
            Kind.TEMPLATE: "templates",
            Kind.DOCUMENT: "documents",
        }[step.kind]
        left = tuple(each for each in getattr(view, field) if each.id != step.id)
        assert len(left) == len(getattr(view, field)) - 1
        self.view = replace(view, **{field: left})

    def start(self, node, farm):
        view = self.view
        template = next(
            each
            for each in view.farm(farm).templates
            if each.tag and (each.tag.role, each.tag.pool) == (node.role, node.pool)
        )
        leased = {
            nic.address
            for vm in view.vms
            if vm.state is not VmState.GONE
            for nic in vm.nics
        }
        shown = self.resolved(node.attributes, farm)["NIC"]
        nics = []
        for nic in [shown] if isinstance(shown, Mapping) else shown:
            network = next(
                each
                for each in view.networks
                if str(each.id) == nic.get("NETWORK_ID")
                or (each.name, each.owner)
                == (nic.get("NETWORK"), nic.get("NETWORK_UNAME"))
            )
            address = nic.get("IP") or _lease(network, leased)
            assert address not in leased, f"IP already leased: {address}"
            leased.add(address)
            carried = [
                int(part)
                for text in (
                    network.attributes.get("SECURITY_GROUPS", ""),
                    nic.get("SECURITY_GROUPS", ""),
                )
                for part in text.split(",")
                if part
            ]
            nics.append(
                Nic(
                    network_id=network.id,
                    network=network.name,
                    address=address,
                    mac=mac_of(address),
                    security_group_ids=tuple(sorted(set(carried))),
                )
            )
        made = Vm(
            id=self.next_id(),
            name=node.name,
            owner_id=view.user.id,
            state=VmState.RUNNING,
            tag=node.tag,
            mark=Mark(attempts=node.attempts),
            nics=tuple(nics),
            host_id=1,
            host="host-1",
            cpus=float(template.attributes["CPU"]),
            memory_mib=int(template.attributes["MEMORY"]),
            reported_ready=True,
            state_name="ACTIVE",
            router_files=node.attributes.get("CONTEXT", {}).get(
                "FARMCTL_ROUTER_BASE64", ""
            ),
        )
        self.view = replace(view, vms=(*view.vms, made))

    def end(self, vm_id, farm):
        found = next(vm for vm in self.view.vms if vm.id == vm_id)
        assert found.tag is not None, "a stranger was touched"
        assert found.tag.farm == farm, "a stranger was touched"
        self.edit_vm(vm_id, state=VmState.GONE)

    def edit_vm(self, vm_id, **values):
        self.view = replace(
            self.view,
            vms=tuple(
                replace(vm, **values) if vm.id == vm_id else vm for vm in self.view.vms
            ),
        )

    def vm(self, name):
        return next(
            vm
            for vm in self.view.vms
            if vm.name == name and vm.state is not VmState.GONE
        )


def _edited(things, step, **values):
    return tuple(
        replace(each, **values) if each.id == step.id else each for each in things
    )


def _lease(network, leased):
    for each in network.ranges:
        prefix, _, first = each.first.rpartition(".")
        for last in range(int(first), int(first) + each.size):
            if f"{prefix}.{last}" not in leased:
                return f"{prefix}.{last}"
    raise AssertionError("no lease left")


def draw(site, farm, view, sizes=None, contexts=None, configuration="", *, live=True):
    """Return the plan of a farm."""
    target = resolve(site, farm, view, contexts or {}, sizes or {})
    return plan(
        target,
        view,
        site=site.name,
        routing=Routing(site=site, farm=farm, files=routers, live=live),
        configuration=configuration,
    )


@pytest.fixture(scope="session")
def kit():
    """All that the tests of this room build with."""
    return SimpleNamespace(
        SITE=SITE,
        FARM=FARM,
        PUBLIC_ID=PUBLIC_ID,
        Simulated=Simulated,
        merge=merge,
        site=make_site,
        farm=make_farm,
        farm_of=Farm.model_validate,
        view=make_view,
        capacity=make_capacity,
        draw=draw,
        destroy=plan_destroy,
        Role=Role,
        Tag=Tag,
    )


@pytest.fixture
def applied(kit):
    """The usual farm, applied to an empty cloud."""
    world = kit.Simulated(kit.view())
    world.after(kit.draw(kit.site(), kit.farm(), world.view))
    return world
