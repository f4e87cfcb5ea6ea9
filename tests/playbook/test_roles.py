"""What the roles refuse, by Ansible itself on this machine."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from farmctl import assets

USERS = {
    "": True,
    "alice:2001 bob:2002": True,
    "alice": False,
    "alice:0": False,
    "alice:200": False,
    "Alice:2001": False,
    "alice:2001 alice:2002": False,
    "alice:2001 bob:2001": False,
    "$(id):2001": False,
    "alice:2001:x": False,
}


def test_users_that_make_no_sense_are_refused_before_any_is_made(tmp_path):
    ansible = Path(sys.executable).with_name("ansible-playbook")
    if not ansible.exists() and shutil.which("ansible-playbook") is None:
        pytest.skip("Ansible is an extra")
    tasks = yaml.safe_load(
        assets.path("playbooks", "roles", "base", "tasks", "main.yml").read_text()
    )
    (check,) = [task for task in tasks if "users make sense" in task["name"]]
    defaults = yaml.safe_load(
        assets.path("playbooks", "roles", "base", "defaults", "main.yml").read_text()
    )
    names = [task["name"] for task in tasks]
    assert names.index(check["name"]) < names.index("Have the farm's users")
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"base_users": defaults["base_users"], "farmctl_role": "head"},
        "tasks": [
            {
                **check,
                "vars": {"farmctl_variables": {"USERS": users}},
                "register": f"told_{number}",
                "ignore_errors": True,
            }
            for number, users in enumerate(USERS)
        ]
        + [
            {
                "ansible.builtin.copy": {
                    "dest": str(tmp_path / "told"),
                    "content": "{{ ["
                    + ", ".join(f"told_{n} is succeeded" for n in range(len(USERS)))
                    + "] | to_json }}",
                }
            }
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    ran = subprocess.run(
        [ansible, "-i", "localhost,", tmp_path / "play.yml"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads((tmp_path / "told").read_text())
    assert dict(zip(USERS, told, strict=True)) == USERS
    assert "Write USERS as NAME:UID" in ran.stdout
