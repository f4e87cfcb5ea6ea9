"""The router's files in OpenWrt's words: /etc/config, from the router's values.

Every file is complete in itself, so that what an image shipped is gone once it is
applied. The devices stand as the order of the interfaces would have them; the init
script in the image puts in the ones that really have the MACs, and the public address
where OpenNebula chose it. What the options mean was read in OpenWrt's own scripts
(dnsmasq.init, fw4.uc, netifd) and tried on them.
"""

from collections.abc import Iterator, Mapping

from netaddr import IPAddress, IPNetwork

from farmctl.context import uci
from farmctl.model.router import (
    Forwarding,
    Interface,
    Opening,
    RouterValues,
    Zone,
    ZonePolicy,
)

FILES = (
    "network",
    "dhcp",
    "firewall",
    "system",
    "dropbear",
    "uhttpd",
    "prometheus-node-exporter-lua",
)
"""The files of /etc/config that are farmctl's."""

COMMAND = "/usr/sbin/farmctl-router"
"""The script in the image that applies them, confirms and takes back."""

LAST_HOST = 252
"""The last address that DHCP may give out; `.253` is the head, `.254` the router."""

_ANYWHERE = "0.0.0.0"  # noqa: S104 - who may reach it, the firewall says


def files(values: RouterValues) -> Mapping[str, str]:
    """Return the text of each file by its name in /etc/config.

    Equal values give equal text, to the byte.

    Raises:
        NotPossibleError: a value cannot stand in a UCI file.
    """
    made = (
        _network(values),
        _dhcp(values),
        _firewall(values),
        _system(values),
        _dropbear(values),
        _uhttpd(values),
        _exporter(values),
    )
    return {package.name: uci.render(package) for package in made}


def _network(values: RouterValues) -> uci.Package:
    sections = [
        uci.section(
            "interface",
            "loopback",
            device="lo",
            proto="static",
            ipaddr="127.0.0.1",
            netmask="255.0.0.0",
        )
    ]
    for index, interface in enumerate(values.interfaces):
        sections += _interface(interface, f"eth{index}")
    return uci.Package(name="network", sections=tuple(sections))


def _interface(interface: Interface, device: str) -> Iterator[uci.Section]:
    zone = interface.zone.value
    yield uci.section(
        "device",
        f"device_{zone}",
        name=device,
        ipv6=False,
        mtu=interface.mtu or None,
    )
    netmask = str(IPNetwork(f"{_ANYWHERE}/{interface.prefix}").netmask)
    if interface.address:
        yield uci.section(
            "interface",
            zone,
            device=device,
            proto="static",
            ipaddr=interface.address,
            netmask=netmask,
            gateway=interface.gateway or None,
            dns=interface.dns,
        )
    else:
        yield uci.section("interface", zone, device=device, proto="none")


def _dhcp(values: RouterValues) -> uci.Package:
    isolated = values.wan is None
    leased = {lease.address for lease in values.leases}
    return uci.Package(
        name="dhcp",
        sections=(
            uci.section(
                "dnsmasq",
                "main",
                domain=values.domain,
                local=f"/{values.domain}/",
                domainneeded=True,
                boguspriv=True,
                expandhosts=True,
                localise_queries=True,
                add_local_hostname=False,
                authoritative=True,
                rebind_protection=True,
                rebind_localhost=True,
                rebind_domain=tuple(f"/{domain}/" for domain in values.private),
                # Without a way out, or with name servers of the site's own, those that
                # the public network names are not asked.
                noresolv=True if isolated or values.upstream else None,
                server=values.upstream,
                resolvfile="/tmp/resolv.conf.d/resolv.conf.auto",  # noqa: S108 - OpenWrt's own
                leasefile="/tmp/dhcp.leases",  # noqa: S108 - likewise
                ednspacket_max=1232,
                nonwildcard=True,
                localservice=True,
                notinterface=() if isolated else (Zone.WAN.value,),
            ),
            _range(values),
            *(
                ()
                if isolated
                else (uci.section("dhcp", "wan", interface="wan", ignore=True),)
            ),
            *(
                uci.section(
                    "host",
                    uci.identifier("host", lease.name),
                    name=lease.name,
                    ip=lease.address,
                    mac=(lease.mac,),
                    dns=True,
                )
                for lease in values.leases
            ),
            *(
                uci.section(
                    "domain",
                    uci.identifier("name", name.names[-1]),
                    name=name.names[-1],
                    ip=name.address,
                )
                for name in values.names
                if name.address not in leased
            ),
        ),
    )


def _range(values: RouterValues) -> uci.Section:
    own, dhcp = values.lan.address, values.dhcp
    base = int(IPNetwork(values.cidr).first)
    first = int(IPAddress(dhcp.first)) - base if dhcp.open else 1
    last = int(IPAddress(dhcp.last)) - base if dhcp.open else LAST_HOST
    options = [
        f"3,{own}",
        f"6,{own}",
        f"15,{values.domain}",
        f"42,{own}",
        f"119,{','.join(values.search)}",
    ]
    if values.lan.mtu:
        options.append(f"26,{values.lan.mtu}")
    return uci.section(
        "dhcp",
        "lan",
        interface="lan",
        dhcpv4="server",
        # Known machines only. `limit 0` would say it too, and end dnsmasq.
        dynamicdhcp=dhcp.open,
        start=first,
        limit=last - first + 1,
        leasetime=str(dhcp.lease_seconds),
        force=True,
        dhcp_option=tuple(options),
    )


def _firewall(values: RouterValues) -> uci.Package:
    sections = [
        uci.section(
            "defaults",
            "defaults",
            input="DROP",
            output="ACCEPT",
            forward="DROP",
            drop_invalid=True,
            synflood_protect=True,
        )
    ]
    sections += [_zone(zone) for zone in values.zones]
    if values.wan is not None:
        sections.append(uci.section("forwarding", "lan_to_wan", src="lan", dest="wan"))
    sections += [_opening(opening) for opening in values.openings]
    for forward in values.forwards:
        sections += _redirects(forward)
    return uci.Package(name="firewall", sections=tuple(sections))


def _zone(policy: ZonePolicy) -> uci.Section:
    return uci.section(
        "zone",
        f"zone_{policy.zone.value}",
        name=policy.zone.value,
        network=(policy.zone.value,),
        input=policy.input.value,
        output="ACCEPT",
        forward=policy.forward.value,
        masq=True if policy.masquerade else None,
        mtu_fix=True if policy.masquerade else None,
        # They would let a node's FTP or SIP open ports that nobody has declared.
        auto_helper=False,
    )


def _opening(opening: Opening) -> uci.Section:
    pings = opening.protocols == ("icmp",)
    return uci.section(
        "rule",
        uci.identifier("open", opening.zone.value, opening.name),
        name=f"{opening.name} from {opening.zone.value}",
        family="ipv4",
        src=opening.zone.value,
        src_ip=opening.sources,
        proto=opening.protocols,
        icmp_type=("echo-request",) if pings else (),
        dest_port=None if pings else opening.port,
        target="ACCEPT",
    )


def _redirects(forward: Forwarding) -> Iterator[uci.Section]:
    """Yield one redirect for each source: fw4 takes one network in each.

    The number stands before the name, as a name may end in one. Nodes reach the port
    through the public address as well; for that the first redirect is enough.
    """
    for number, source in enumerate(forward.sources or (None,), start=1):
        yield uci.section(
            "redirect",
            uci.identifier(f"forward{number}", forward.name),
            name=forward.name if source is None else f"{forward.name} from {source}",
            family="ipv4",
            src="wan",
            src_ip=source,
            proto=forward.protocols,
            src_dport=forward.port,
            dest="lan",
            dest_ip=forward.address,
            dest_port=forward.to_port,
            target="DNAT",
            reflection=number == 1,
        )


def _system(values: RouterValues) -> uci.Package:
    return uci.Package(
        name="system",
        sections=(
            uci.section(
                "system",
                "system",
                hostname=values.hostname,
                description=f"Router of the farm {values.farm}, kept by farmctl",
                timezone="UTC",
                zonename="UTC",
                log_size=64,
            ),
            uci.section(
                "timeserver",
                "ntp",
                enabled=True,
                enable_server=True,
                server=values.time_servers,
            ),
        ),
    )


def _dropbear(values: RouterValues) -> uci.Package:
    return uci.Package(
        name="dropbear",
        sections=(
            uci.section(
                "dropbear",
                "main",
                enable=True,
                Port=values.admin.ssh_port,
                PasswordAuth=False,
                RootPasswordAuth=False,
            ),
        ),
    )


def _uhttpd(values: RouterValues) -> uci.Package:
    return uci.Package(
        name="uhttpd",
        sections=(
            uci.section(
                "uhttpd",
                "main",
                listen_https=(f"{_ANYWHERE}:{values.admin.web_port}",),
                redirect_https=False,
                home="/www",
                # It would refuse admins with private addresses on a public one.
                rfc1918_filter=False,
                max_requests=3,
                max_connections=100,
                cert="/etc/uhttpd.crt",
                key="/etc/uhttpd.key",
                cgi_prefix="/cgi-bin",
                ubus_prefix="/ubus",
                ucode_prefix=("/cgi-bin/luci=/usr/share/ucode/luci/uhttpd.uc",),
                script_timeout=60,
                network_timeout=30,
                http_keepalive=20,
                tcp_keepalive=True,
            ),
            uci.section(
                "cert",
                "defaults",
                days=397,
                key_type="ec",
                ec_curve="P-256",
                commonname=values.hostname[:64],
            ),
        ),
    )


def _exporter(values: RouterValues) -> uci.Package:
    return uci.Package(
        name="prometheus-node-exporter-lua",
        sections=(
            uci.section(
                "prometheus-node-exporter-lua",
                "main",
                # It listens on the loopback unless it is told where.
                listen_interface="lan",
                listen_port=values.monitoring.port,
            ),
        ),
    )
