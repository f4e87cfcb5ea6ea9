"""What a new cloud holds: a small computing centre's, ready for example farms."""

from ipaddress import IPv4Network

from farmctl.embedded.attributes import Attributes
from farmctl.embedded.calls import acl, vdcs
from farmctl.embedded.calls.datastores import make
from farmctl.embedded.calls.hosts import described
from farmctl.embedded.calls.users import digest
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import (
    USED_BY_ALL,
    Cluster,
    Datastore,
    Entity,
    Group,
    Host,
    Image,
    Network,
    SecurityGroup,
    User,
    Zone,
)
from farmctl.embedded.network_life import be_ready
from farmctl.embedded.permissions import ALL, GROUP, KINDS, Right
from farmctl.embedded.states import HostState
from farmctl.embedded.vdc import ALL_OF_THEM, Vdc

# Objects that people make begin at this number, as OpenNebula's do.
_FIRST_OWN = 100
_KIB = 1024
_IMAGES = {
    "openwrt-24.10": 128,
    "debian-router-12": 2048,
    "head-el9-2026-11": 20480,
    "wn-el9-2026-10": 20480,
    "wn-el9-2026-11": 20480,
    "dask-2026-11": 10240,
    "imaging-2026-11": 20480,
    "debian-12": 2048,
}
_TREES = {"debian-12": 2048, "debian-batch-12": 2048}
"""What nodes boot from: farmctl's recipes of these names."""
_FIRST_LEASE = 10
"""Before it are the gateway and the machine."""


def fill(cloud: Cloud, password: str) -> None:
    """Fill a new cloud; `password` is oneadmin's."""
    _people(cloud, password)
    _rules(cloud)
    _places(cloud)
    pools = cloud.pools
    pools.security_groups.next_id = 0
    rules = Attributes(
        {
            "DESCRIPTION": ["The default security group is added to every network."],
            "RULE": [
                {"PROTOCOL": "ALL", "RULE_TYPE": "OUTBOUND"},
                {"PROTOCOL": "ALL", "RULE_TYPE": "INBOUND"},
            ],
        }
    )
    pools.add(
        SecurityGroup(
            id=pools.new_id(SecurityGroup),
            name="default",
            template=rules,
            permissions=list(USED_BY_ALL),
        )
    )
    if cloud.settings.content:
        _images(cloud)
        _public(cloud)
    for pool in (
        pools.groups,
        pools.vdcs,
        pools.clusters,
        pools.security_groups,
        pools.datastores,
    ):
        pool.next_id = max(pool.next_id, _FIRST_OWN)
    made: list[Entity] = [
        *pools.security_groups,
        *pools.images,
        *pools.networks,
        *pools.datastores,
    ]
    for item in made:
        item.uid = item.gid = 0
        item.uname = item.gname = "oneadmin"
        pools.touch(item)
    pools.note("filled", True)


def _people(cloud: Cloud, password: str) -> None:
    pools = cloud.pools
    sunstone = Attributes(
        {
            "SUNSTONE": [
                {
                    "DEFAULT_VIEW": "cloud",
                    "GROUP_ADMIN_DEFAULT_VIEW": "groupadmin",
                    "GROUP_ADMIN_VIEWS": "groupadmin,cloud",
                    "VIEWS": "cloud",
                }
            ]
        }
    )
    pools.add(Group(id=pools.new_id(Group), name="oneadmin", users=[0, 1]))
    pools.add(Group(id=pools.new_id(Group), name="users", template=sunstone))
    for name, driver in (("oneadmin", "core"), ("serveradmin", "server_cipher")):
        user_id = pools.new_id(User)
        pools.add(
            User(
                id=user_id,
                name=name,
                uid=user_id,
                gid=0,
                uname=name,
                gname="oneadmin",
                groups=[0],
                # The server's own account has a password that nobody knows.
                password=digest(
                    password if user_id == 0 else str(pools.values["secret"])
                ),
                auth_driver=driver,
            )
        )


def _rules(cloud: Cloud) -> None:
    own = ("VM", "IMAGE", "TEMPLATE", "DOCUMENT", "SECGROUP", "VMGROUP", "BACKUPJOB")
    kinds = sum(KINDS[kind] for kind in own)
    acl.add_rule(cloud, GROUP | 1, kinds | ALL, Right.CREATE, ALL)
    acl.add_rule(cloud, ALL, KINDS["ZONE"] | ALL, Right.USE, ALL)
    market = KINDS["MARKETPLACE"] | KINDS["MARKETPLACEAPP"]
    acl.add_rule(cloud, ALL, market | ALL, Right.USE, ALL)
    pools = cloud.pools
    vdc = Vdc(
        id=pools.new_id(Vdc), name="default", resources={"cluster": [ALL_OF_THEM]}
    )
    vdc.template.put("DESCRIPTION", "Every new group is in this VDC.")
    pools.add(vdc)
    vdcs.admit(cloud, vdc, 1)


def _places(cloud: Cloud) -> None:
    pools, settings = cloud.pools, cloud.settings
    reserved = Attributes({"RESERVED_CPU": [""], "RESERVED_MEM": [""]})
    pools.add(Cluster(id=pools.new_id(Cluster), name="default", template=reserved))
    pools.add(
        Zone(
            id=pools.new_id(Zone),
            name="OpenNebula",
            template=Attributes({"ENDPOINT": ["-"]}),
        )
    )
    # Where images are, VMs go through all of the system datastores.
    transfer = "dummy" if settings.content else "local"
    stores = (
        ("system", "SYSTEM_DS", "", transfer),
        ("default", "IMAGE_DS", "fs", transfer),
        ("files", "FILE_DS", "fs", "local"),
    )
    for name, kind, ds_mad, tm_mad in stores:
        _store(cloud, name, kind, ds_mad, tm_mad)
    pools.datastores.next_id = _FIRST_OWN
    if settings.content:
        _store(cloud, "gluster", "SYSTEM_DS", "", "dummy")
        local = _store(cloud, "lvm", "SYSTEM_DS", "", "dummy")
        # A disk on a host's own volume group moves with its VM switched off only.
        local.template.put("SHARED", "NO")
        local.template.put("DS_LIVE_MIGRATE", "NO")
        _store(cloud, "images", "IMAGE_DS", "dummy", "dummy")
    for prefix, farm_class, count, cores, memory in (
        (
            "svc",
            "service",
            settings.service_hosts,
            settings.service_cores,
            settings.service_memory,
        ),
        (
            "wrk",
            "worker",
            settings.worker_hosts,
            settings.worker_cores,
            settings.worker_memory,
        ),
    ):
        for number in range(count):
            host = Host(
                id=pools.new_id(Host),
                name=f"{prefix}-{number:02d}",
                state=HostState.MONITORED,
                total_cpu=cores * 100,
                total_memory=memory * _KIB,
                created=cloud.timeline.now(),
                im_mad=settings.driver,
                vm_mad=settings.driver,
            )
            host.template = described(host)
            host.template.put("FARM_CLASS", farm_class)
            pools.add(host)


def _store(cloud: Cloud, name: str, kind: str, ds_mad: str, tm_mad: str) -> Datastore:
    drivers = {"TM_MAD": tm_mad, "DS_MAD": ds_mad}
    template = Attributes({"NAME": [name], "TYPE": [kind]})
    for attribute, driver in drivers.items():
        if driver:
            template.put(attribute, driver)
    store = make(cloud, template, cluster_id=0)
    cloud.pools.add(store)
    return store


def _images(cloud: Cloud) -> None:
    pools = cloud.pools
    store = pools.datastores.named("images")
    if store is None:
        return
    real = cloud.settings.real
    for name, size in (_TREES if real else _IMAGES).items():
        path = f"tree:{name}" if real else f"https://images.example.org/{name}.qcow2"
        image = Image(
            id=pools.new_id(Image),
            name=name,
            size=size,
            datastore_id=store.id,
            path=path,
            source=path if real else "dummy_path",
            regtime=cloud.now(),
            modtime=cloud.now(),
            template=Attributes({"DEV_PREFIX": ["sd"]}),
            permissions=list(USED_BY_ALL),
        )
        store.images.append(image.id)
        pools.add(image)


def _public(cloud: Cloud) -> None:
    pools, settings = cloud.pools, cloud.settings
    public = IPv4Network(settings.public_network)
    room = public.num_addresses - _FIRST_LEASE - 1
    gateway = str(public[1])
    template = Attributes(
        {
            "VN_MAD": ["bridge" if settings.real else "dummy"],
            "BRIDGE": ["br-public"],
            "NETWORK_ADDRESS": [str(public.network_address)],
            "NETWORK_MASK": [str(public.netmask)],
            "GATEWAY": [gateway],
            "DNS": [gateway],
            # None: farms name their own, and group 0 would let everything through.
            "SECURITY_GROUPS": [""],
            "AR": [
                {
                    "TYPE": "IP4",
                    "IP": str(public[_FIRST_LEASE]),
                    "SIZE": str(min(settings.public_addresses, room)),
                }
            ],
        }
    )
    network = Network(
        id=pools.new_id(Network),
        name="public",
        bridge="br-public",
        template=template,
        permissions=list(USED_BY_ALL),
    )
    be_ready(network)
    pools.add(network)
