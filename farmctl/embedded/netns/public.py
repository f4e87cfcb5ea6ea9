"""The public network of real nodes: who is in it, and whether this machine has room.

Its first address is the outside host's, which stands for the rest of the world; its
second the machine's own, on the leg that `fabric` makes. Through its leg the machine
can be reached at that one address alone, so that no node can use the machine as its
gateway into whatever lies behind it.
"""

import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from farmctl.embedded.netns import wiring
from farmctl.embedded.netns.ports import Port, Rule
from farmctl.errors import NotPossibleError

_OUTSIDE: Final = 1
_MACHINE: Final = 2

_LONGEST_PREFIX: Final = 29
"""In bits: six addresses."""

_PATIENCE: Final = 5.0
"""Seconds until the kernel has removed the leg of a keeper that is gone."""


@dataclass(frozen=True, slots=True)
class PublicNetwork:
    """The public network of one embedded cloud."""

    network: ipaddress.IPv4Network

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a network such as 203.0.113.0/24.

        Raises:
            NotPossibleError: it is none, or has no room.
        """
        try:
            network = ipaddress.IPv4Network(text)
        except ValueError as error:
            raise NotPossibleError(
                f"{text!r} is no IPv4 network: {error}.",
                hint="Write one such as 203.0.113.0/24.",
            ) from error
        if network.prefixlen > _LONGEST_PREFIX:
            raise NotPossibleError(
                f"The public network {text} is too small.",
                hint=f"Its prefix may have {_LONGEST_PREFIX} bits at most.",
            )
        return cls(network)

    @property
    def outside(self) -> ipaddress.IPv4Address:
        """The outside host's address: the network's gateway."""
        return self.network.network_address + _OUTSIDE

    @property
    def machine(self) -> ipaddress.IPv4Address:
        """The machine's address."""
        return self.network.network_address + _MACHINE

    @property
    def machine_interface(self) -> str:
        """The machine's address and the length of the network's prefix."""
        return f"{self.machine}/{self.network.prefixlen}"

    @property
    def leg(self) -> str:
        """The name of the machine's interface, one for each public network."""
        return f"fctl-{int(self.network.network_address):08x}"

    def outside_port(self, pid: int, device: str) -> Port:
        """Return the outside host's port: nothing of what it sends is filtered."""
        return Port(
            vm_id=0,
            nic_id=0,
            network_id=0,
            pid=pid,
            device=device,
            mac=_mac(self.outside),
            filter_mac=False,
            filter_ip=False,
            label="outside",
        )

    def machine_port(self, pid: int, services: Sequence[int] | None) -> Port:
        """Return the machine's port; `services` are TCP ports, None means all."""
        rules: list[Rule] = [{"PROTOCOL": "ALL", "RULE_TYPE": "outbound"}]
        if services is None:
            rules.append({"PROTOCOL": "ALL", "RULE_TYPE": "inbound"})
        else:
            rules.append({"PROTOCOL": "ICMP", "RULE_TYPE": "inbound"})
            rules += [
                {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "RANGE": str(service)}
                for service in services
            ]
        return Port(
            vm_id=0,
            nic_id=0,
            network_id=0,
            pid=pid,
            device=self.leg,
            mac=_mac(self.machine),
            addresses=(str(self.machine),),
            rules=tuple(rules),
            filter_destination=True,
            label="machine",
        )

    def refuse_taken(self, machine: int) -> None:
        """Refuse a network that the machine knows already.

        The leg of a keeper that has just ended goes within a moment: the kernel
        removes it after the keeper.

        Args:
            machine: a process in the machine's network namespace.

        Raises:
            NotPossibleError: the machine has addresses in it, or routes into it.
        """
        patience = time.monotonic() + _PATIENCE
        while taken := self._taken(machine):
            ours = all(device == self.leg for device, _ in taken)
            if not ours or time.monotonic() > patience:
                said = ", ".join(sorted({f"{what} on {dev}" for dev, what in taken}))
                raise NotPossibleError(
                    f"The public network {self.network} is on this machine already: "
                    f"{said}.",
                    hint="Another embedded cloud with real nodes has it; stop that "
                    "one, or give this one another public network."
                    if ours
                    else "Give the embedded cloud another public network.",
                )
            time.sleep(0.05)

    def _taken(self, machine: int) -> list[tuple[str, str]]:
        held = [
            (device, str(address))
            for device, address in wiring.addresses(at=machine)
            if address.ip in self.network or address.network.subnet_of(self.network)
        ]
        # The routes of an address that has been named say nothing more.
        return held or [
            (device, str(network))
            for device, network in wiring.routes(at=machine)
            if network.subnet_of(self.network)
        ]


def _mac(address: ipaddress.IPv4Address) -> str:
    """Return the MAC that OpenNebula gives an interface with this address."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in address.packed)
