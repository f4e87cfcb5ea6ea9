"""The user who asks, and what the quotas leave: text in, values out.

OpenNebula counts a VM against its owner's quota and that of the owner's main group;
the user oneadmin and the group oneadmin have none. A limit of -1 stands for the
default, -2 for no limit; a default that says nothing limits nothing.
"""

from lxml import etree

from farmctl.cloud.opennebula import tree
from farmctl.model.view import Quota, User

ONEADMIN = 0
"""Id of the user, and of the group, oneadmin."""

_DEFAULT = -1.0
_UNLIMITED = -2.0


def user(method: str, text: str) -> tuple[User, int, Quota | None]:
    """Read a USER: who it is, the id of the main group, and the user's own quota."""
    element = tree.parse(method, text)
    user_id = tree.id_of(method, element)
    main_group = tree.int_of(element, "GID", -1)
    groups = tree.ids_of(element, "GROUPS/ID") | {main_group}
    who = User(
        id=user_id,
        name=tree.text_of(element, "NAME"),
        group_ids=groups,
        admin=ONEADMIN in groups,
    )
    if user_id == ONEADMIN:
        return who, main_group, None
    return who, main_group, _quota(element, f"user {who.name}", "DEFAULT_USER_QUOTAS")


def group_quota(method: str, text: str) -> Quota | None:
    """Read the quota of a GROUP; None for one that has no limits."""
    element = tree.parse(method, text)
    if tree.id_of(method, element) == ONEADMIN:
        return None
    name = tree.text_of(element, "NAME")
    return _quota(element, f"group {name}", "DEFAULT_GROUP_QUOTAS")


def _quota(element: etree._Element, whose: str, defaults: str) -> Quota | None:
    own = _vm_quota(element.find("VM_QUOTA"))
    default = _vm_quota(element.find(f"{defaults}/VM_QUOTA"))
    vms = _least(own, default, "VMS", "RUNNING_VMS")
    cpus = _least(own, default, "CPU", "RUNNING_CPU")
    memory = _least(own, default, "MEMORY", "RUNNING_MEMORY")
    if vms is None and cpus is None and memory is None:
        return None
    return Quota(
        whose=whose,
        vms=None if vms is None else int(vms),
        cpus=cpus,
        memory_mib=None if memory is None else int(memory),
    )


def _vm_quota(quotas: etree._Element | None) -> etree._Element | None:
    # A quota for some clusters alone (CLUSTER_IDS, since 7.0) limits no farm as such.
    for each in quotas.iterchildren("VM") if quotas is not None else ():
        if not tree.text_of(each, "CLUSTER_IDS"):
            return each
    return None


def _least(
    own: etree._Element | None, default: etree._Element | None, *names: str
) -> float | None:
    left: list[float] = []
    for name in names:
        limit = _limit(own, name)
        if limit == _DEFAULT:
            limit = _limit(default, name)
        if limit >= 0:
            used = tree.float_of(own, f"{name}_USED") if own is not None else 0.0
            # Rounded, since OpenNebula counts hundredths of a CPU in binary.
            left.append(max(0.0, round(limit - used, 3)))
    return min(left, default=None)


def _limit(quota: etree._Element | None, name: str) -> float:
    return tree.float_of(quota, name, _DEFAULT) if quota is not None else _DEFAULT
