"""Runs a playbook with ansible-runner and says what became of each node.

One run of Ansible configures all targets at once. What it is told and what it writes is
in a private folder that goes with it. ansible-core and ansible-runner are the extra
`ansible`; they are imported when a playbook is run.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from farmctl.errors import NotPossibleError
from farmctl.model.guests import GuestProgress
from farmctl.model.nodes import Role
from farmctl.playbook import files, private
from farmctl.playbook.events import Ledger
from farmctl.playbook.hosts import Inventory

FORKS = 20
"""How many nodes Ansible turns to at once."""

TASK_TIMEOUT = 900
"""Seconds that one task may take on one node; packages come from far away."""

SILENCE = 1200
"""Seconds without a word after which Ansible counts as stuck."""

LOOK_EACH = 0.5
"""Seconds between two looks at whether to give up."""


def configure(
    playbook: Path,
    inventory: Inventory,
    targets: frozenset[str],
    *,
    report: Callable[[GuestProgress], None],
    give_up: Callable[[], bool],
) -> Mapping[str, str]:
    """Run a playbook for some nodes; what is as it should be is left alone.

    A head among the targets takes the workers along: it may be a new one, with another
    key for all.

    Args:
        playbook: its path.
        inventory: all nodes of the farm that run, with the ways to them.
        targets: the names of those to be configured.
        report: is told how far each has come; from another thread.
        give_up: is asked every half second; once it says yes, Ansible is ended.

    Returns:
        For each target `""` if it is configured, else its task and message. One that
        is missing was not come to the end of.

    Raises:
        NotPossibleError: Ansible is not installed, or could not run the playbook.
    """
    program = _ansible()
    known = sorted(targets & set(inventory.hosts))
    told = dict.fromkeys(targets - set(inventory.hosts), "it does not run")
    if not known:
        return told
    ledger = Ledger(report)
    with private.folder() as folder:
        ran = _run(
            folder,
            playbook,
            inventory,
            limit=_along(known, inventory),
            program=program,
            take=ledger.take,
            give_up=give_up,
        )
        status, rc = str(ran.status), ran.rc
    told |= ledger.close(known)
    if ledger.ended or status == "canceled":
        return told
    if status == "timeout":
        raise NotPossibleError(
            f"{playbook.name} said nothing for {SILENCE // 60} minutes and was ended.",
            hint="Look on the nodes what its last task waits for.",
        )
    raise NotPossibleError(
        f"Ansible could not run {playbook} (exit status {rc}): {ledger.complaints()}",
        hint=f"ansible-playbook --syntax-check {playbook} tells more.",
    )


def _along(known: list[str], inventory: Inventory) -> list[str]:
    head = Role.HEAD.value
    if any(inventory.hosts[name].get("farmctl_role") == head for name in known):
        return sorted({*known, *inventory.groups.get("workers", ())})
    return known


def _run(
    folder: Path,
    playbook: Path,
    inventory: Inventory,
    *,
    limit: list[str],
    program: str,
    take: Callable[[Mapping[str, Any]], None],
    give_up: Callable[[], bool],
) -> Any:
    import ansible_runner  # noqa: PLC0415 - an extra, and slow to import

    (folder / "tmp").mkdir(mode=0o700)
    hosts = private.write(folder / "hosts.yml", inventory.as_yaml())
    only = private.write(folder / "limit", "\n".join(limit))
    return ansible_runner.run(
        private_data_dir=str(folder),
        project_dir=str(playbook.parent),
        playbook=str(playbook),
        inventory=str(hosts),
        limit=f"@{only}",
        envvars=_environment(playbook, folder, program),
        settings={
            "pexpect_timeout": LOOK_EACH,
            "idle_timeout": SILENCE,
            "suppress_ansible_output": True,
            "suppress_output_file": True,
        },
        suppress_env_files=True,
        quiet=True,
        event_handler=take,  # which answers None: nothing is kept of the event
        cancel_callback=give_up,
    )


def _environment(playbook: Path, folder: Path, program: str) -> dict[str, str]:
    """Return what Ansible is told by its environment, which wins over ansible.cfg."""
    ours = files.shipped()
    own = playbook.parent
    places = [ours] if own.resolve() == ours.resolve() else [own, ours]
    environment = {
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_LIBRARY": ":".join(str(each / "library") for each in places),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_ROLES_PATH": ":".join(str(each / "roles") for each in places),
        "ANSIBLE_TASK_TIMEOUT": str(TASK_TIMEOUT),
        "ANSIBLE_TIMEOUT": "15",
        "LC_ALL": "C.UTF-8",
        "PATH": f"{Path(program).parent}:{os.environ.get('PATH', os.defpath)}",
    }
    if len(places) == 1:
        environment["ANSIBLE_CONFIG"] = str(ours / "ansible.cfg")
    return environment


def _ansible() -> str:
    """Return the path of ansible-playbook.

    Raises:
        NotPossibleError: it, or ansible-runner, is not installed.
    """
    beside = Path(sys.executable).parent
    program = shutil.which("ansible-playbook", path=str(beside)) or shutil.which(
        "ansible-playbook"
    )
    if program is None or importlib.util.find_spec("ansible_runner") is None:
        raise NotPossibleError(
            "Ansible is not installed, and the site's playbook needs it.",
            hint="pip install 'farmctl[ansible]'.",
        )
    return program
