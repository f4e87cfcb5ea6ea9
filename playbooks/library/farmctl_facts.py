#!/usr/bin/python
"""What farmctl's roles must know of a node, in one short look.

Stands in for `setup` (fact gathering), which takes a second or more of a small node:
the family of its system, how services are started, which of some packages are there,
which daemons run. Changes nothing.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: farmctl_facts
short_description: Look at what farmctl's roles must know of a node
description:
  - Returns the facts C(os_family), C(pkg_mgr) and C(service_mgr), and C(farmctl_node).
  - C(farmctl_node.shared_kernel) is true where the node shares its kernel with others,
    as a container or a namespace node does.
options:
  packages:
    description: Packages to look for; those that are there come back as installed.
    type: list
    elements: str
    default: []
author: [farmctl]
"""

EXAMPLES = r"""
- name: Look at the node
  farmctl_facts:
    packages: [munge, slurmd]
"""

RETURN = r"""
ansible_facts:
  description: os_family, pkg_mgr, service_mgr and farmctl_node.
  returned: always
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

BOOT_SECONDS = 120
"""A PID 1 that began later than this after the kernel has been given a place in it."""

PKG_MGRS = (
    ("apt", "/usr/bin/apt-get", "Debian"),
    ("dnf", "/usr/bin/dnf", "RedHat"),
    ("dnf5", "/usr/bin/dnf5", "RedHat"),
    ("yum", "/usr/bin/yum", "RedHat"),
    ("zypper", "/usr/bin/zypper", "Suse"),
)


def package_manager():
    """Return the name of the package manager and the family that has it."""
    for name, path, family in PKG_MGRS:
        if os.path.exists(path):
            return name, family
    return "unknown", "unknown"


def shared_kernel():
    """Return whether PID 1 began long after the kernel: a place in somebody's."""
    with open("/proc/1/stat", "rb") as stream:
        fields = stream.read().rpartition(b")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") > BOOT_SECONDS


def memory_mib():
    """Return the memory that the kernel has, in MiB."""
    with open("/proc/meminfo", "rb") as stream:
        return int(stream.readline().split()[1]) // 1024


def running():
    """Return the names of all programs that run, as the kernel cuts them."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/comm" % entry, "rb") as stream:
                    found.add(stream.read().strip().decode("utf-8", "replace"))
            except OSError:
                continue  # it has ended
    return sorted(found)


def installed(module, family, packages):
    """Return those of the packages that are installed."""
    if not packages:
        return []
    if family == "Debian":
        shape = "-f=${db:Status-Status} ${Package}\n"
        command = ["dpkg-query", "-W", shape, *packages]
        out = module.run_command(command)[1]
        rows = [line.split(" ", 1) for line in out.splitlines() if " " in line]
        return sorted({name for status, name in rows if status == "installed"})
    command = ["rpm", "-q", "--qf", "%{NAME}\\n", *packages]
    lines = module.run_command(command)[1].splitlines()
    return sorted(set(lines) & set(packages))


def main():
    """Look, and tell."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    manager, family = package_manager()
    systemd = os.path.isdir("/run/systemd/system")
    module.exit_json(
        changed=False,
        ansible_facts={
            "ansible_os_family": family,
            "ansible_pkg_mgr": manager,
            "ansible_service_mgr": "systemd" if systemd else "service",
            "farmctl_node": {
                "installed": installed(module, family, module.params["packages"]),
                "memory_mib": memory_mib(),
                "running": running(),
                "shared_kernel": shared_kernel(),
            },
        },
    )


if __name__ == "__main__":
    main()
