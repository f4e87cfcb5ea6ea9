"""What the server tells the keeper of a VM: plain values that travel as JSON.

Made on one side of the socket from a `Machine` (by `driver`), read on the other (by
`keeper`); nothing else crosses. A line is one JSON object: an order with `id`, `do`,
`vm` and, where the order needs it, `spec`; the answer carries `id` and `error`. The
keeper's own news carry `event` instead of `id`.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network interface of a VM, and the network that it is in."""

    nic_id: int
    network_id: int
    bridge: str
    mac: str
    mtu: int = 0
    """In bytes; 0: the usual."""
    vlan: str = ""
    """The VLAN id, where the bridge carries several."""
    addresses: tuple[str, ...] = ()
    """Its own and its aliases'."""
    filter_mac: bool = False
    filter_ip: bool = False
    rules: tuple[dict[str, str], ...] | None = None
    """Of its security groups; None: it is in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk of a VM; the one with the lowest id is its root."""

    disk_id: int
    image_id: int = -1
    """-1: a volatile disk, empty when it comes."""
    path: str = ""
    """What the image was registered with: `tree:NAME`, or a tarball of this machine."""
    persistent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A VM as the keeper needs it."""

    vm: int
    name: str
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    context: dict[str, str] = field(default_factory=dict)
    token: str = ""
    """For token.txt; "": the guest gets none."""
    memory_mib: int = 0
    """Its MEMORY; 0: nobody counts it."""

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        """Read what `to_json` made.

        Raises:
            KeyError, TypeError: the values are no spec's.
        """
        nics = (
            Nic(
                **{
                    **nic,
                    "addresses": tuple(nic["addresses"]),
                    "rules": None if nic["rules"] is None else tuple(nic["rules"]),
                }
            )
            for nic in given["nics"]
        )
        disks = (Disk(**disk) for disk in given["disks"])
        return cls(**{**given, "nics": tuple(nics), "disks": tuple(disks)})
