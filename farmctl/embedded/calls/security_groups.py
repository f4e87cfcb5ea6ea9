"""Security groups; a change reaches the VMs that use them a moment later."""

from farmctl.embedded import nics, render
from farmctl.embedded.attributes import Attributes, Vector, parse, to_int
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, free_name, register, register_pool
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import SecurityGroup
from farmctl.embedded.leases import ip_number
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.refusal import internal, wrong_state
from farmctl.embedded.steps import host_of

_PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "IPSEC", "ALL")
_PORTS = ("TCP", "UDP")
_MAX_PORT = 65535


def _updated(cloud: Cloud, item: SecurityGroup, _old: Attributes) -> None:
    check_rules(cloud, item.template)
    commit(cloud, item, outdated=cloud.pools.uses.of("SECGROUP", item.id))


KIND = Kind(
    entity=SecurityGroup,
    prefix="secgroup",
    draw=lambda cloud, item: render.security_group(cloud.pools, item),
    taken="SecurityGroup",
    updated=_updated,
)
register(KIND, "info update rename chmod chown")
register_pool(KIND, "secgrouppool", filtered=True)


def check_rules(cloud: Cloud, template: Attributes) -> None:
    """Check the rules of a security group.

    Raises:
        Refusal: one is wrong; the message says what is valid (8192).
    """
    for rule in template.vectors("RULE"):
        _check(cloud, rule)


@method("one.secgroup.allocate", "s")
def allocate(cloud: Cloud, caller: Caller, text: str) -> Answer:
    """Make a security group."""
    template = parse(text)
    Inquiry(cloud.pools, caller).creates(SecurityGroup).decide()
    name = template.take_text("NAME")
    free_name(cloud, KIND, name, caller.uid)
    check_rules(cloud, template)
    return _add(cloud, caller, name, template)


@method("one.secgroup.clone", "is")
def clone(cloud: Cloud, caller: Caller, group_id: int, name: str) -> Answer:
    """Copy a security group."""
    source = cloud.pools.security_groups.get(group_id)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.USE, source)
    inquiry.creates(SecurityGroup).decide()
    free_name(cloud, KIND, name, caller.uid)
    return _add(cloud, caller, name, source.template.copy())


@method("one.secgroup.delete", "i")
def delete(cloud: Cloud, caller: Caller, group_id: int) -> Answer:
    """Delete a security group that no VM uses."""
    item = cloud.pools.security_groups.get(group_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    if group_id == 0:
        raise wrong_state(
            "Cannot delete security group. "
            "The default security group (ID 0) cannot be deleted."
        )
    if cloud.pools.uses.count("SECGROUP", group_id):
        raise wrong_state(
            "Cannot delete security group. The security group has VMs using it"
        )
    cloud.pools.remove(item)
    return group_id


@method("one.secgroup.commit", "ib")
def commit_again(cloud: Cloud, caller: Caller, group_id: int, recovery: bool) -> Answer:
    """Bring the VMs of a group up to date again; `recovery`: not those that are."""
    item = cloud.pools.security_groups.get(group_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    everyone = cloud.pools.uses.of("SECGROUP", group_id)
    left = [*item.outdated, *item.failed]
    commit(cloud, item, outdated=left if recovery else everyone)
    return group_id


def commit(cloud: Cloud, item: SecurityGroup, *, outdated: list[int]) -> None:
    """Bring these VMs up to date, in a moment."""
    item.committing = sorted({*item.committing, *outdated})
    gone = set(item.committing)

    item.outdated = [i for i in item.outdated if i not in gone]
    item.failed = [i for i in item.failed if i not in gone]
    cloud.pools.touch(item)
    if item.committing:
        item.due = cloud.timeline.now() + cloud.timings.commit
        arm(cloud, item)


def arm(cloud: Cloud, item: SecurityGroup) -> None:
    """Have the VMs of a group be up to date when it is due."""
    if item.due <= 0:
        return
    group_id, due = item.id, item.due

    def carry_out() -> None:
        found = cloud.pools.security_groups.find(group_id)
        if found is None or found.due != due:
            return
        found.due = 0.0
        for vm_id in found.committing:
            vm = cloud.pools.live.get(vm_id)
            if vm is None:
                continue
            fault = cloud.faults.strike(("update_sg",), effects=("fail",), name=vm.name)
            if fault is not None and vm.running():
                found.failed.append(vm_id)
                continue
            nics.refresh_rules(cloud, vm)
            cloud.driver_of(host_of(cloud, vm)).regroup(vm)
            cloud.pools.touch(vm)

        found.committing = []
        cloud.pools.touch(found)

    cloud.later(due, carry_out)


def _add(cloud: Cloud, caller: Caller, name: str, template: Attributes) -> int:
    group_id = cloud.pools.new_id(SecurityGroup)
    cloud.pools.add(
        SecurityGroup(
            id=group_id,
            name=name,
            uid=caller.uid,
            gid=caller.gid,
            uname=caller.uname,
            gname=caller.gname,
            template=template,
        )
    )
    return group_id


def _check(cloud: Cloud, rule: Vector) -> None:
    protocol = rule.get("PROTOCOL", "").upper()
    if protocol not in _PROTOCOLS:
        raise internal(
            "Wrong PROTOCOL in rule. Valid options: TCP, UDP, ICMP, ICMPV6, IPSEC, ALL."
        )
    if rule.get("RULE_TYPE", "").lower() not in ("inbound", "outbound"):
        raise internal("Wrong RULE_TYPE in rule. Valid options: inbound, outbound.")
    ports = rule.get("RANGE", "")
    if ports:
        if protocol not in _PORTS:
            raise internal("RANGE is only supported for TCP and UDP protocols.")
        if not _good_ports(ports):
            raise internal("Invalid RANGE specification.")
    ip = rule.get("IP", "")
    if ip and ":" not in ip:
        size = to_int(rule.get("SIZE", ""))
        if ip_number(ip) < 0:
            raise internal("Wrong IP attribute in rule.")
        if size is None or size <= 0:
            raise internal("Wrong or empty SIZE in rule.")
    network = rule.get("NETWORK_ID", "")
    if network and cloud.pools.networks.find(to_int(network) or 0) is None:
        raise internal(f"Virtual network with ID: {network} does not exist")


def _good_ports(text: str) -> bool:
    for part in text.split(","):
        first, _, last = part.partition(":")
        numbers = [to_int(first), to_int(last or first)]
        if any(n is None or not 0 <= n <= _MAX_PORT for n in numbers):
            return False
    return True
