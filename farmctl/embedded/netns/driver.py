"""The driver `netns`, on the server's side: steps of VMs become orders to the keeper.

Says what a VM is (`Spec`), sends what a step means for its node, and hands the end of
it on. What nodes do of themselves is noticed as OpenNebula's monitoring notices it: at
its next look at the hypervisor's VMs.
"""

from typing import TYPE_CHECKING

from farmctl.embedded import steps
from farmctl.embedded.attributes import Vector, ids_of, to_int
from farmctl.embedded.driver import Foreseen, Job, Report
from farmctl.embedded.machine import Machine
from farmctl.embedded.netns.link import Link, Order
from farmctl.embedded.netns.messages import Disk, Nic, Spec
from farmctl.embedded.states import Lcm, State
from farmctl.embedded.teardown import powered_off

if TYPE_CHECKING:
    from farmctl.embedded.cloud import Cloud

LOOK_SECONDS = 5.0
"""Between two looks at the VMs of a hypervisor: monitord.conf's STATE_VM."""
_AT_ONCE = Foreseen(seconds=0.0)
_ADDRESSES = ("IP", "IP6", "IP6_GLOBAL", "IP6_ULA", "IP6_LINK")
_KEPT = (Lcm.EPILOG_STOP, Lcm.EPILOG_UNDEPLOY)
_MOVING = (Lcm.MIGRATE, Lcm.SAVE_MIGRATE)


class Netns:
    """Runs the VMs of hosts whose VM_MAD is `netns` as nodes of this machine."""

    foresees = False

    def __init__(self, cloud: "Cloud", link: Link) -> None:
        self._cloud = cloud
        self._link = link
        self._numbers: dict[int, int] = {}
        """The order that is under way for a VM."""
        self._alive: set[int] = set()
        """VMs whose node runs, as far as we heard."""
        link.forget()
        link.off = self._alive.discard
        link.lost = self._lost

    def wake(self) -> None:
        """Begin with what the cloud holds: no node runs, and steps are taken anew."""
        self._tidy()
        for vm in list(self._cloud.pools.live.values()):
            task = vm.task
            # A step with a time of its own has been set going already.
            if self._mine(vm) and task is not None and task.due <= 0:
                steps.begin(self._cloud, vm, task.step, task.detail)
        self._look_later()

    def reset(self) -> None:
        """Forget everything: the cloud begins anew."""
        self._link.send({"do": "reset", "vm": -1})

    def begin(self, job: Job, report: Report) -> Foreseen | None:
        """Send the step to the keeper."""
        vm = job.machine
        if self._on_dead_host(vm):
            return Foreseen(seconds=0.0, error="host does not answer")
        order = self._order(job)
        if isinstance(order, Foreseen):
            return order

        def answered(error: str) -> None:
            self._numbers.pop(vm.id, None)
            self._note(vm.id, order["do"], error)
            report(vm.id, job.number, error)

        self._numbers[vm.id] = self._link.send({**order, "vm": vm.id}, answered)
        return None

    def cancel(self, job: Job) -> None:
        """End the step that is under way."""
        number = self._numbers.pop(job.machine.id, None)
        if number is not None:
            self._link.drop(job.machine.id, number)

    def guest_seconds(self, machine: Machine) -> float | None:
        """Leave READY to the guest."""
        del machine
        return None  # of two kinds of answer this is one

    def reboot(self, machine: Machine, *, hard: bool) -> None:
        """Have the node boot again."""
        self._link.send({"do": "reboot", "vm": machine.id, "hard": hard})

    def forget(self, machine: Machine) -> None:
        """End the node, and remove its disks."""
        self._alive.discard(machine.id)
        self._link.send({"do": "forget", "vm": machine.id})

    def regroup(self, machine: Machine) -> None:
        """Give the node's ports the rules that its security groups have now."""
        if machine.id in self._alive:
            order = {"do": "regroup", "spec": self.spec(machine).to_json()}
            self._link.send({**order, "vm": machine.id})

    def host_died(self, host_id: int) -> None:
        """Kill every node of a hypervisor."""
        for vm in self._cloud.pools.live.values():
            if vm.state is State.ACTIVE and _place(vm) == host_id:
                self._alive.discard(vm.id)
                self._link.send({"do": "kill", "vm": vm.id})

    def network_gone(self, network_id: int) -> None:
        """Remove a network's bridge."""
        self._link.send({"do": "drop-network", "vm": -1, "network": network_id})

    def spec(self, vm: Machine, *, without: int | None = None) -> Spec:
        """Return the VM as the keeper needs it, without one of its NICs if wished."""
        context = dict(vm.template.vector("CONTEXT") or {})
        token = ""
        if context.get("TOKEN", "").upper() == "YES":
            token = self._cloud.token(vm.id, vm.stime)
        if without is not None:
            prefix = f"ETH{without}_"
            context = {k: v for k, v in context.items() if not k.startswith(prefix)}
        return Spec(
            vm=vm.id,
            name=vm.name,
            disks=tuple(
                self._disk(disk) for disk in vm.disks() if disk.get("TYPE") != "CDROM"
            ),
            nics=tuple(
                self._nic(vm, nic)
                for nic in vm.nics()
                if "NETWORK_ID" in nic and to_int(nic["NIC_ID"]) != without
            ),
            context=context,
            token=token,
            memory_mib=vm.template.integer("MEMORY") or 0,
        )

    def _order(self, job: Job) -> Order | Foreseen:
        vm = job.machine
        spec = {"spec": self.spec(vm).to_json()}
        match job.step:
            case "prolog" if vm.lcm is Lcm.PROLOG:
                return {"do": "prolog", **spec}
            case "prolog":
                return {"do": "check", **spec}
            case "boot":
                return {"do": "boot", **spec}
            case "restore":
                return {"do": "restore", **spec}
            case "shutdown" | "save":
                return {"do": job.step}
            case "cancel":
                return {"do": "kill"}
            case "migrate":
                return {"do": "present"}
            case "epilog" if vm.lcm in _KEPT:
                return _AT_ONCE
            case "epilog":
                return {"do": "remove"}
            case _:
                return self._change(vm)

    def _change(self, vm: Machine) -> Order | Foreseen:
        detail = vm.task.detail if vm.task is not None else {}
        spec = {"spec": self.spec(vm).to_json()}
        match detail.get("what", ""):
            case "attach-nic":
                return {"do": "plug", "nic": int(detail["nic"]), **spec}
            case "detach-nic":
                nic = int(detail["nic"])
                without = self.spec(vm, without=nic).to_json()
                return {"do": "unplug", "nic": nic, "spec": without}
            case "update-nic" | "groups":
                return {"do": "regroup", **spec}
            case "attach-disk":
                disk = next(
                    d for d in self.spec(vm).disks if d.disk_id == int(detail["disk"])
                )
                return {"do": "attach", "disk": disk_json(disk), **spec}
            case "detach-disk":
                return {"do": "detach", "disk": int(detail["disk"])}
            case "disk-snapshot":
                numbers = {name: int(detail[name]) for name in ("disk", "snapshot")}
                return {"do": "snapshot", "what": detail["do"], **numbers, **spec}
            case "saveas":
                numbers = {name: int(detail[name]) for name in ("disk", "image")}
                return {"do": "saveas", **numbers, **spec}
            case "snapshot-create" | "snapshot-revert" | "snapshot-delete":
                return Foreseen(
                    seconds=0.0,
                    error="a node's memory cannot be kept: snapshot its disk instead",
                )
            case "resize" | "resize-disk":
                # Nodes share the machine's processors, memory and disk.
                return _AT_ONCE
            case _:
                return {"do": "context", **spec}

    def _disk(self, disk: Vector) -> Disk:
        image_id = to_int(disk.get("IMAGE_ID", ""))
        image = None if image_id is None else self._cloud.pools.images.find(image_id)
        return Disk(
            disk_id=int(disk["DISK_ID"]),
            image_id=-1 if image_id is None else image_id,
            path="" if image is None else image.path,
            persistent=disk.get("PERSISTENT", "").upper() == "YES",
        )

    def _nic(self, vm: Machine, nic: Vector) -> Nic:
        network_id = int(nic["NETWORK_ID"])
        network = self._cloud.pools.networks.find(network_id)
        mtu = nic.get("MTU") or (
            "" if network is None else network.template.text("MTU")
        )
        parts = [nic, *self._aliases(vm, nic)]
        return Nic(
            nic_id=int(nic["NIC_ID"]),
            network_id=network_id,
            bridge=nic.get("BRIDGE", ""),
            vlan=nic.get("VLAN_ID", ""),
            mac=nic.get("MAC", ""),
            mtu=to_int(mtu) or 0,
            addresses=tuple(
                part[name] for part in parts for name in _ADDRESSES if part.get(name)
            ),
            filter_mac=nic.get("FILTER_MAC_SPOOFING", "").upper() == "YES",
            filter_ip=nic.get("FILTER_IP_SPOOFING", "").upper() == "YES",
            rules=_rules(vm, nic),
        )

    @staticmethod
    def _aliases(vm: Machine, nic: Vector) -> list[Vector]:
        aliases = vm.template.vectors("NIC_ALIAS")
        return [each for each in aliases if each.get("PARENT_ID") == nic["NIC_ID"]]

    def _note(self, vm_id: int, do: str, error: str) -> None:
        """Remember which nodes run."""
        if do in {"boot", "restore"} and not error:
            self._alive.add(vm_id)
        elif do in {"shutdown", "kill", "remove"} or (do == "boot" and error):
            self._alive.discard(vm_id)

    def _lost(self) -> None:
        """The keeper is gone: every node is dead."""
        self._alive.clear()
        self._tidy()

    def _look_later(self) -> None:
        """Look at the nodes when OpenNebula's monitoring would, again and again."""
        wait = min(LOOK_SECONDS, self._cloud.timings.monitor)
        self._cloud.later(self._cloud.timeline.now() + wait, self._look)

    def _look(self) -> None:
        if self._cloud.drivers["netns"] is not self:
            return
        self._look_later()
        for vm in list(self._cloud.pools.live.values()):
            gone = vm.running() and self._mine(vm) and vm.id not in self._alive
            if gone and not self._on_dead_host(vm):
                powered_off(self._cloud, vm)

    def _tidy(self) -> None:
        pools = self._cloud.pools
        images = [image.id for image in pools.images]
        alive = [vm.id for vm in pools.live.values() if vm.history]
        self._link.send({"do": "tidy", "vm": -1, "vms": alive, "images": images})

    def _mine(self, vm: Machine) -> bool:
        return bool(vm.history) and vm.record().vm_mad == "netns"

    def _on_dead_host(self, vm: Machine) -> bool:
        host = self._cloud.pools.hosts.find(_place(vm))
        return host is not None and host.dead


def disk_json(disk: Disk) -> dict[str, object]:
    """Return a disk as JSON values."""
    return {
        "disk_id": disk.disk_id,
        "image_id": disk.image_id,
        "path": disk.path,
        "persistent": disk.persistent,
    }


def _place(vm: Machine) -> int:
    """Return the host that the VM is on: while it moves, the one that it leaves."""
    if not vm.history:
        return -1
    return vm.history[-2 if vm.lcm in _MOVING else -1].hid


def _rules(vm: Machine, nic: Vector) -> tuple[dict[str, str], ...] | None:
    groups = {str(each) for each in ids_of(nic.get("SECURITY_GROUPS", ""))}
    if not groups:
        return None
    return tuple(
        dict(rule)
        for rule in vm.template.vectors("SECURITY_GROUP_RULE")
        if rule.get("SECURITY_GROUP_ID") in groups
    )
