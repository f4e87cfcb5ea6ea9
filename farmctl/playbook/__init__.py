"""Configuring guests: runs the playbooks of the top folder with ansible-runner.

`located` says which playbook a farm has and `configuration` what it all rests on;
`hosts` and `documents` tell Ansible of the farm; `configure` runs it and says what
became of each node. How the way leads into a node is handed in, as `Way`s.
"""

from farmctl.playbook.digest import configuration
from farmctl.playbook.files import located, mistakes
from farmctl.playbook.hosts import Inventory, Way, inventory
from farmctl.playbook.running import configure

__all__ = [
    "Inventory",
    "Way",
    "configuration",
    "configure",
    "inventory",
    "located",
    "mistakes",
]
