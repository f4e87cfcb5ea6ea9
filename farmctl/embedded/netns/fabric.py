"""The networks of real nodes: bridges, the ports on them, the public network.

It runs inside the keeper, whose network namespace it takes for its own: the fabric.
Every bridge is there and nothing else, so that a bridge can reach no other and no
wire of the machine's; the fabric has no address and forwards nothing. A node's
interface is one end of a veth pair, moved into the node's namespace; the other is a
port of a bridge here. What a port lets through is `filters`'.

Networks of the same bridge and VLAN id share a segment, as they would on a hypervisor.
Networks without those are apart.

The public network, `public`, is one segment more, with the machine and the outside
host as ports.

Nothing here outlives the keeper: with its namespace the kernel removes the bridges,
the ports, the nodes' ends and the machine's.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from farmctl.embedded.netns import filters, wiring
from farmctl.embedded.netns.ports import (
    USUAL_MTU,
    Port,
    Rule,
    device_name,
    mac_address,
    mtu_of,
    port_name,
)
from farmctl.embedded.netns.public import PublicNetwork
from farmctl.embedded.netns.wiring import FabricError

PUBLIC_BRIDGE: Final = "br-public"
"""The bridge that the embedded cloud's public network names."""

_PUBLIC = "public"

_BRIDGE = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"

_SWITCHES: Mapping[str, str] = {
    "ipv4/ip_forward": "0",
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
    # Frames stay frames: `filters` sees them in the bridge, nothing sees them twice.
    "bridge/bridge-nf-call-iptables": "0",
    "bridge/bridge-nf-call-ip6tables": "0",
    "bridge/bridge-nf-call-arptables": "0",
}


@dataclass(kw_only=True)
class _Segment:
    bridge: str
    mtu: int
    networks: set[int] = field(default_factory=set)


class Fabric:
    """The networks of one embedded cloud's nodes. One thread at a time."""

    def __init__(
        self,
        *,
        public: str,
        say: Callable[[str], None],
        machine: int = 0,
        services: Sequence[int] | None = None,
    ) -> None:
        """Take the public network, without touching anything.

        Args:
            public: the public network, such as 203.0.113.0/24.
            say: takes one line for each change, for the log.
            machine: a process in the machine's network namespace; 0: the parent.
            services: TCP ports that nodes reach at the machine's address; None: all.

        Raises:
            NotPossibleError: the network is none, or has no room.
        """
        self._public = PublicNetwork.of(public)
        self._say = say
        self._machine = machine or os.getppid()
        self._services = None if services is None else tuple(services)
        self._segments: dict[tuple[str, str], _Segment] = {}
        self._of_network: dict[int, _Segment] = {}
        self._ports: dict[str, Port] = {}

    @property
    def leg(self) -> str:
        """The name of the machine's end of the public network, in its namespace."""
        return self._public.leg

    @property
    def machine_address(self) -> str:
        """The machine's address in the public network."""
        return str(self._public.machine)

    @property
    def outside_address(self) -> str:
        """The outside host's address in the public network, its gateway."""
        return str(self._public.outside)

    def open(self) -> None:
        """Make the public network and the machine's leg.

        Raises:
            NotPossibleError: a program is missing, or the machine has addresses or
                routes of the public network already. Nothing is changed.
            FabricError: the kernel refused; what was made is removed.
        """
        wiring.demand_tools()
        self._public.refuse_taken(self._machine)
        try:
            wiring.switch(_SWITCHES)
            wiring.nft(filters.skeleton())
            self._segment((PUBLIC_BRIDGE, ""), _PUBLIC, USUAL_MTU)
            self._open_leg()
        except FabricError:
            self.close()
            raise
        self._say(
            f"public network {self._public.network}, the machine has "
            f"{self.machine_address} on {self.leg}"
        )

    def close(self) -> None:
        """Remove every port, bridge and rule; nodes' interfaces go as well."""
        bridges = [segment.bridge for segment in self._segments.values()]
        wiring.delete([*self._ports, *bridges])
        self._ports.clear()
        self._segments.clear()
        self._of_network.clear()
        wiring.nft([f"add table {filters.TABLE}", f"delete table {filters.TABLE}"])

    def network(
        self, network_id: int, *, bridge: str, mtu: int = USUAL_MTU, vlan: str = ""
    ) -> None:
        """Make a network, or join it to the one of the same bridge and VLAN id.

        A network that is there already gets the MTU, if that differs.

        Args:
            network_id: OpenNebula's id.
            bridge: the bridge as OpenNebula names it; `br-public`: the public network.
            mtu: in bytes.
            vlan: the VLAN id, where the bridge carries several.

        Raises:
            ValueError: a value is none.
            FabricError: the kernel refused.
        """
        if network_id < 0:
            raise ValueError(f"{network_id} is no id of a network")
        key = (device_name(bridge), str(int(vlan)) if vlan else "")
        known = self._of_network.get(network_id)
        if known is not None and self._segments.get(key) is not known:
            raise ValueError(f"the network {network_id} is on another bridge")
        segment = self._segment(key, f"net{network_id}", mtu_of(mtu))
        if segment.mtu != mtu and segment.bridge != _PUBLIC:
            wiring.ip([f"link set dev {segment.bridge} mtu {mtu}"])
            segment.mtu = mtu
        segment.networks.add(network_id)
        self._of_network[network_id] = segment

    def drop_network(self, network_id: int) -> None:
        """Remove a network, and its bridge if no other shares it; none is no error.

        Raises:
            FabricError: nodes are plugged into it.
        """
        segment = self._of_network.get(network_id)
        if segment is None:
            return
        used = [
            name
            for name, port in self._ports.items()
            if not port.label and port.network_id == network_id
        ]
        if used:
            raise FabricError(
                f"The network {network_id} is in use by {', '.join(sorted(used))}."
            )
        del self._of_network[network_id]
        segment.networks.discard(network_id)
        if not segment.networks and segment.bridge != _PUBLIC:
            wiring.ip([f"link del dev {segment.bridge}"])
            self._segments = {
                key: each for key, each in self._segments.items() if each is not segment
            }
            self._say(f"removed the bridge {segment.bridge}")

    def plug(self, *ports: Port) -> None:
        """Give nodes their interfaces, down and without addresses, all at once.

        The rules are there before the first frame. A port that was plugged before is
        replaced, for a node that starts again.

        Raises:
            ValueError: a rule is none, or a network is not known. Nothing is changed.
            FabricError: the kernel refused; none of these ports is plugged.
        """
        for port in ports:
            if port.network_id not in self._of_network:
                raise ValueError(f"the network {port.network_id} is not known")
        if ports:
            self._plug(
                [(port, self._of_network[port.network_id].bridge) for port in ports]
            )

    def plug_outside(self, pid: int, *, device: str = "eth0") -> None:
        """Give the outside host its interface in the public network.

        It stands for the rest of the world, so nothing of what it sends is filtered.

        Raises:
            FabricError: the kernel refused.
        """
        self._plug([(self._public.outside_port(pid, device), _PUBLIC)])

    def unplug(self, vm_id: int, nic_id: int | None = None) -> None:
        """Take an interface, or all of a VM's, from its node; none is no error."""
        if nic_id is not None:
            wanted = [port_name(vm_id, nic_id)]
        else:
            wanted = [
                name
                for name, port in self._ports.items()
                if not port.label and port.vm_id == vm_id
            ]
        names = [name for name in wanted if name in self._ports]
        if names:
            self._remove(names)
            self._say(f"unplugged {', '.join(names)}")

    def regroup(self, vm_id: int, nic_id: int, rules: tuple[Rule, ...] | None) -> None:
        """Exchange the rules of a port; what is established goes on.

        Raises:
            ValueError: a rule is none. Nothing is changed.
            FabricError: no such port, or the kernel refused.
        """
        name = port_name(vm_id, nic_id)
        if name not in self._ports:
            raise FabricError(f"There is no port {name}.")
        wiring.nft(filters.regrouped(name, rules))

    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """Return the frames that each port dropped, by `filters.REASONS`."""
        found: dict[str, dict[str, int]] = {}
        for name, packets in sorted(wiring.counters(filters.TABLE).items()):
            port, _, reason = name.rpartition(filters.SEPARATOR)
            found.setdefault(port, {})[reason] = packets
        return found

    def _segment(self, key: tuple[str, str], name: str, mtu: int) -> _Segment:
        segment = self._segments.get(key)
        if segment is None:
            wiring.ip(
                [
                    f"link add name {name} mtu {mtu} {_BRIDGE}",
                    f"link set dev {name} up",
                ]
            )
            segment = self._segments[key] = _Segment(bridge=name, mtu=mtu)
            self._say(f"made the bridge {name} for {key[0]} {key[1]}".rstrip())
        return segment

    def _plug(self, ports: Sequence[tuple[Port, str]]) -> None:
        rules: list[str] = []
        links: list[str] = []
        for port, bridge in ports:
            if port.name in self._ports:
                rules += filters.unplugged(port.name)
            rules += filters.plugged(port)
            links += _pair(port, bridge)
        wiring.delete(port.name for port, _ in ports if port.name in self._ports)
        wiring.nft(rules)
        self._ports.update({port.name: port for port, _ in ports})
        names = [port.name for port, _ in ports]
        try:
            wiring.ip(links)
        except FabricError:
            self._remove(names)
            raise
        self._say(f"plugged {', '.join(names)}")

    def _remove(self, names: Sequence[str]) -> None:
        # A node that has ended took its end of the pair along, and so the port.
        wiring.delete(names)
        wiring.nft(line for name in names for line in filters.unplugged(name))
        for name in names:
            del self._ports[name]

    def _open_leg(self) -> None:
        port = self._public.machine_port(self._machine, self._services)
        self._plug([(port, _PUBLIC)])
        wiring.ip(
            [
                f"link set dev {self.leg} addrgenmode none",
                f"address add {self._public.machine_interface} dev {self.leg}",
                f"link set dev {self.leg} up",
            ],
            at=self._machine,
        )


def _pair(port: Port, bridge: str) -> list[str]:
    ours = f"name {port.name} mtu {port.mtu}"
    theirs = f"name {port.device} mtu {port.mtu} address {mac_address(port.mac)}"
    return [
        f"link add {ours} type veth peer {theirs} netns {port.pid}",
        f"link set dev {port.name} master {bridge} up",
    ]
