"""An inventory plugin: farmctl's farms for plain `ansible-playbook -i farmctl.yml`.

Asks `farmctl inventory --list`, so that it runs under any Ansible, whether or not
farmctl is installed beside it. What it is told is data: no value is taken for a
template.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: farmctl_inventory
short_description: The nodes of farmctl's farms
description:
  - The groups are router, openwrt, head, workers, one for each farm (farm_NAME) and one
    for each pool (pool_NAME), with C(-) as C(_) in names.
  - The variables are farmctl_*, and the way into each node through its farm's router
    where the site has a login.
extends_documentation_fragment: [constructed]
options:
  plugin:
    description: This plugin's name.
    required: true
    choices: [farmctl_inventory]
  site:
    description:
      - The site file; a relative one begins where the inventory is. Without it
        $FARMCTL_SITE, else site.yaml there.
    type: str
  farms:
    description: The farms; without it all.
    type: list
    elements: str
    default: []
  command:
    description: The farmctl command, with its path if it is not in $PATH.
    type: str
    default: farmctl
  timeout:
    description: Seconds that the answer may take.
    type: int
    default: 60
author: [farmctl]
"""

EXAMPLES = r"""
plugin: farmctl_inventory
site: site.yaml
farms: [alice-wn]
keyed_groups:
  - {key: farmctl_kind, prefix: kind}
"""

import json
import os
import subprocess

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.utils.unsafe_proxy import wrap_var

MARK = "__ansible_unsafe"


class InventoryModule(BaseInventoryPlugin, Constructable):
    """Fills Ansible's inventory from what farmctl tells."""

    NAME = "farmctl_inventory"

    def verify_file(self, path):
        """Return whether the file is one for us, by its name."""
        good = path.endswith((".yml", ".yaml"))
        return good and super().verify_file(path)

    def parse(self, inventory, loader, path, cache=True):  # noqa: FBT002 - Ansible's
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        told = self._ask(os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120
        for name, hosts in told.items():
            if name in ("_meta", "all"):
                continue
            inventory.add_group(name)
            for host in hosts.get("hosts", []):
                inventory.add_host(host, group=name)
        strict = self.get_option("strict")
        for host, variables in told["_meta"]["hostvars"].items():
            inventory.add_host(host)
            for name, value in variables.items():
                inventory.set_variable(host, name, data(value))
            known = inventory.get_host(host).get_vars()
            self._set_composite_vars(self.get_option("compose"), known, host, strict)
            self._add_host_to_composed_groups(
                self.get_option("groups"), known, host, strict
            )
            self._add_host_to_keyed_groups(
                self.get_option("keyed_groups"), known, host, strict
            )

    def _ask(self, folder):
        """Return what `farmctl inventory --list` prints, asked in the file's folder."""
        command = [self.get_option("command")]
        if site := self.get_option("site"):
            command += ["--site", os.path.join(folder, site)]  # noqa: PTH118
        command += ["inventory", "--list", "--", *self.get_option("farms")]
        try:
            ran = subprocess.run(  # noqa: S603 - no shell, the admin's own words
                command,
                capture_output=True,
                check=False,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=self.get_option("timeout"),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AnsibleParserError(f"{command[0]}: {error}") from error
        if ran.returncode != 0:
            raise AnsibleParserError(f"{' '.join(command)}: {ran.stderr.strip()}")
        return json.loads(ran.stdout)


def data(value):
    """Return a value in which no text is a template: farmctl marks what could be."""
    if isinstance(value, dict):
        if set(value) == {MARK}:
            return wrap_var(value[MARK])
        return {key: data(each) for key, each in value.items()}
    if isinstance(value, list):
        return [data(each) for each in value]
    return value
