"""What a farm should look like to whoever probes it; drawn from the files and a look.

Pure. Who may reach which port is read from the router's values, which are what the
router itself was told: the probe and the router cannot mean different farms.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from farmctl.model.guests import Guest, guests
from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.router import Forwarding, Opening, RouterValues, Zone
from farmctl.model.view import CloudView, FarmView
from farmctl.plan import addresses, resolve, router
from farmctl.spec import Farm, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """An address of another farm, which nothing of this one may reach."""

    farm: str
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A farm as it should be, for the probes.

    `here` is the address that this machine reaches the router from, empty if none;
    `masked`: what is outside may see another one, as there is a NAT on the way.
    """

    site: Site
    farm: Farm
    view: FarmView
    values: RouterValues
    nodes: tuple[Guest, ...]
    foreign: tuple[Foreign, ...]
    here: str = ""
    masked: bool = False

    @property
    def router(self) -> Guest | None:
        """The router, if it runs."""
        return next((each for each in self.nodes if each.role is Role.ROUTER), None)

    @property
    def public_address(self) -> str:
        """Where the farm is seen from outside; empty if nowhere."""
        return "" if self.router is None else self.router.public_address

    @property
    def behind(self) -> tuple[Guest, ...]:
        """The nodes behind the router."""
        return tuple(each for each in self.nodes if each.role is not Role.ROUTER)

    def short(self, name: str) -> str:
        """Return a node's name as it is within its farm."""
        return name.removeprefix(f"{self.farm.name}-")

    def mac(self, guest: Guest) -> str:
        """Return the MAC that a node has a lease for, empty if it has none."""
        found = (e.mac for e in self.values.leases if e.address == guest.address)
        return next(found, "")


def expect(
    site: Site, farm: Farm, view: CloudView, *, here: str = "", masked: bool = False
) -> Expected:
    """Return what probes should find.

    Raises:
        NotPossibleError: the router's values cannot be drawn; see `plan.router.draw`.
    """
    mine = view.farm(farm.name)
    public = None
    if farm.router.public_address != "none":
        network = resolve.find_network(site.networks.public.name, view)
        if network is not None:
            public = router.public_interface(network)
    cidr = addresses.kept(mine)
    values = router.draw(
        site, farm, cidr=cidr, hosts=tuple(_hosts(mine)), public=public
    )
    return Expected(
        site=site,
        farm=farm,
        view=mine,
        values=values,
        nodes=guests(mine),
        foreign=tuple(_foreign(view, farm.name)),
        here=here,
        masked=masked,
    )


def may_reach(source: str, sources: Iterable[str]) -> bool:
    """Return whether an address is in one of some networks; none stand for all."""
    nets = tuple(sources)
    return not nets or any(IPv4Address(source) in IPv4Network(net) for net in nets)


def openings(expected: Expected, zone: Zone, source: str) -> dict[int, Opening]:
    """Return the router's own TCP ports that `source` may reach, by number."""
    return {
        each.port: each
        for each in expected.values.openings
        if each.zone is zone
        and "tcp" in each.protocols
        and may_reach(source, each.sources)
    }


def forwards(expected: Expected) -> dict[int, Forwarding]:
    """Return what is forwarded over TCP, by the port of the public address."""
    return {
        each.port: each for each in expected.values.forwards if "tcp" in each.protocols
    }


def _hosts(mine: FarmView) -> Iterable[router.Host]:
    inner = None if mine.network is None else mine.network.id
    for vm in mine.vms:
        if vm.tag is None or vm.tag.role in (None, Role.ROUTER):
            continue
        if vm.state in (VmState.GONE, VmState.ENDING):
            continue
        nic = next((n for n in vm.nics if n.network_id == inner and n.address), None)
        if nic is not None and vm.tag.role is not None:
            name = node_name(mine.farm, vm.tag.role, vm.tag.pool, vm.tag.ordinal)
            yield router.Host(name=name, address=nic.address, mac=nic.mac)


def _foreign(view: CloudView, own: str) -> Iterable[Foreign]:
    """Yield router, head and one worker of each other farm."""
    for name, farm in view.farms.items():
        if name == own:
            continue
        seen: set[Role] = set()
        for each in guests(farm):
            if each.address and each.role not in seen:
                seen.add(each.role)
                yield Foreign(farm=name, name=each.name, address=each.address)
