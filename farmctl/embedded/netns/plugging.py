"""Nodes and the fabric: which interfaces a VM has there, plugged in all at once.

Between `keeper`, which thinks in VMs, and `fabric`, which thinks in ports. Nodes that
boot side by side ask within milliseconds of each other; what is asked for while the
fabric is busy goes into its next call together.
"""

import asyncio
import logging
from collections.abc import Sequence

from farmctl.embedded.netns import wiring
from farmctl.embedded.netns.fabric import Fabric
from farmctl.embedded.netns.messages import Nic, Spec
from farmctl.embedded.netns.ports import USUAL_MTU, Port, port_name
from farmctl.embedded.netns.wiring import FabricError

_LOG = logging.getLogger(__name__)


class Plugging:
    """The interfaces of all nodes of a keeper."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._waiting: list[tuple[Port, asyncio.Future[None]]] = []
        self._networks: set[int] = set()

    async def boot(self, spec: Spec, pid: int) -> None:
        """Give a node that boots all of its interfaces; older ones go.

        Raises:
            FabricError, ValueError: one cannot be had.
        """
        self._fabric.unplug(spec.vm)
        await self.plug(spec.vm, spec.nics, pid)

    async def plug(self, vm: int, nics: Sequence[Nic], pid: int) -> None:
        """Give a node interfaces.

        Raises:
            FabricError, ValueError: one cannot be had.
        """
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Future[None]] = []
        for nic in nics:
            mtu = nic.mtu or USUAL_MTU
            self._fabric.network(
                nic.network_id, bridge=nic.bridge, mtu=mtu, vlan=nic.vlan
            )
            self._networks.add(nic.network_id)
            future: asyncio.Future[None] = loop.create_future()
            if not self._waiting:
                loop.call_soon(self._plug_waiting)
            self._waiting.append((_port(vm, nic, pid, mtu), future))
            asked.append(future)
        results = await asyncio.gather(*asked, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def unplug(self, vm: int, nic_id: int | None = None) -> None:
        """Take an interface, or all, from a VM; what is in the way is logged."""
        try:
            self._fabric.unplug(vm, nic_id)
        except FabricError as error:
            _LOG.warning("VM %s: %s", vm, error)

    def regroup(self, spec: Spec) -> None:
        """Give the ports of a VM the rules of its security groups.

        Raises:
            FabricError, ValueError: they cannot be had.
        """
        for nic in spec.nics:
            self._fabric.regroup(spec.vm, nic.nic_id, nic.rules)

    def answer(self, spec: Spec, *, up: bool) -> None:
        """Let a frozen node's kernel, which goes on, answer for it no more, or again.

        Raises:
            FabricError: the kernel refused.
        """
        names = (port_name(spec.vm, nic.nic_id) for nic in spec.nics)
        state = "up" if up else "down"
        wiring.ip(
            [f"link set dev {name} {state}" for name in names if wiring.has(name)]
        )

    def drop(self, network_id: int) -> None:
        """Remove a network that no node is in."""
        try:
            self._fabric.drop_network(network_id)
        except FabricError as error:
            _LOG.warning("%s", error)
        self._networks.discard(network_id)

    def drop_all(self) -> None:
        """Remove every network, the public one aside."""
        for network_id in sorted(self._networks):
            self.drop(network_id)

    def _plug_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        waiting = [(port, future) for port, future in waiting if not future.done()]
        try:
            self._fabric.plug(*(port for port, _ in waiting))
        except (FabricError, ValueError):
            # One of them is in the way of the others: each for itself.
            for port, future in waiting:
                try:
                    self._fabric.plug(port)
                except (FabricError, ValueError) as error:
                    future.set_exception(error)
                else:
                    future.set_result(None)
            return
        for _, future in waiting:
            future.set_result(None)


def _port(vm: int, nic: Nic, pid: int, mtu: int) -> Port:
    return Port(
        vm_id=vm,
        nic_id=nic.nic_id,
        network_id=nic.network_id,
        pid=pid,
        device=f"eth{nic.nic_id}",
        mac=nic.mac,
        addresses=nic.addresses,
        filter_mac=nic.filter_mac,
        filter_ip=nic.filter_ip,
        rules=nic.rules,
        mtu=mtu,
    )
