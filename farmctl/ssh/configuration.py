"""The configuration of ssh for one farm, as text: who is where, and who is who.

ssh reads this file and no other (`-F`), neither the user's nor the machine's: a
`Host *` there that forwards the agent, leads through another host or believes every
host key would hold for nodes too. Every value is quoted or refused. The options that
keep nodes apart: a guest is known by its VM's id, so that a node made anew under an
old name and address is another guest.
"""

import hashlib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from farmctl.errors import NotAuthenticatedError, NotPossibleError, UnreachableError
from farmctl.model.guests import Guest
from farmctl.model.nodes import Role
from farmctl.model.router import Admin
from farmctl.ssh.identity import Identity

PERSIST = 60
"""Seconds that a connection without a session stays open for the next one."""

CONNECT = 10
"""Seconds until a guest that does not answer counts as away."""

_SSH_PORT = 22
_GOAL = "[%h]:%p"
"""Where the guest is, in the words of ssh's configuration."""

_HOST_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{40,}={0,2})"
)
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to one guest: itself, and the router on the way, if there is one."""

    guest: Guest
    router: Guest | None = None

    @property
    def alias(self) -> str:
        """What the guest is called in the configuration."""
        return alias(self.guest)


def alias(guest: Guest) -> str:
    """Return what a guest is called in the configuration: `vm-17`."""
    return f"vm-{guest.vm_id}"


def socket(guest: Guest) -> str:
    """Return the name of the socket of a guest's open connection.

    A cloud that was reset gives VM ids again while a connection may still be open: so
    it names when that VM began, who it said it is, and where it was.
    """
    one = (guest.since, guest.host_key, guest.address, guest.public_address)
    return f"{guest.vm_id}-{hashlib.sha256(repr(one).encode()).hexdigest()[:8]}"


def way(guest: Guest, router: Guest | None) -> Way:
    """Return how to a guest.

    The router of a farm without a public address, and the nodes behind it, are asked
    directly: whoever runs farmctl may stand in that network.

    Raises:
        UnreachableError: it has no address.
        NotAuthenticatedError: the host key that it told is none.
    """
    if guest.role is Role.ROUTER or router is None or not router.public_address:
        router = None
    for each in (guest, router):
        if each is None:
            continue
        _address(each)
        if each.host_key:
            host_key(each)
    return Way(guest=guest, router=router)


def host_key(guest: Guest) -> str:
    """Return the guest's host key, `TYPE BASE64`.

    Raises:
        NotAuthenticatedError: what it told is no host key.
    """
    found = _HOST_KEY.fullmatch(guest.host_key.strip())
    if found is None:
        raise NotAuthenticatedError(
            f"What {guest.name} told of itself is no SSH host key.",
            hint="Look at FARMCTL_HOST_KEY in the user template of VM "
            f"{guest.vm_id}, and take it away if nobody put it there.",
        )
    return f"{found[1]} {found[2]}"


def known_hosts(ways: Iterable[Way]) -> str:
    """Return the lines that say which guest has which key."""
    keys = {
        each.vm_id: host_key(each)
        for one in ways
        for each in (one.guest, one.router)
        if each is not None and each.host_key
    }
    return "".join(f"vm-{vm_id} {key}\n" for vm_id, key in sorted(keys.items()))


def text(
    ways: Iterable[Way],
    *,
    identity: Identity,
    folder: Path,
    remembered: Path,
    program: str,
) -> str:
    """Return the configuration for these guests and the routers on their way.

    Args:
        ways: the guests.
        identity: who logs in.
        folder: where this file, `known_hosts` and the sockets are.
        remembered: the known hosts of guests that told no key; such a guest is
            believed the first time, and held to it.
        program: the path of ssh.
    """
    blocks: dict[int, list[str]] = {}
    # What a router's own way says of it is newer than what the others say.
    for each in sorted(ways, key=lambda way: way.guest.role is Role.ROUTER):
        if each.router is not None:
            blocks[each.router.vm_id] = _block(each.router, None, folder, remembered)
        # On the way to another it may have come in already, with the same lines.
        if each.router is not None:
            command = [program, "-F", str(folder / "config"), "-E"]
            command += [str(folder / f"way-{each.guest.vm_id}"), "-W", _GOAL]
            jump = _shell(command) + f" {alias(each.router)}"
        else:
            jump = None
        blocks[each.guest.vm_id] = _block(each.guest, jump, folder, remembered)
    lines = ["# Written by farmctl, for as long as it runs; ssh reads no other file."]
    for _, block in sorted(blocks.items()):
        lines += block
    lines += ["Host *", *(f"    {each}" for each in _common(identity))]
    return "\n".join(lines) + "\n"


def _block(guest: Guest, jump: str | None, folder: Path, remembered: Path) -> list[str]:
    router = guest.role is Role.ROUTER
    known = bool(guest.host_key)
    hosts = folder / "known_hosts" if known else remembered
    lines = [
        f"Host {alias(guest)}",
        f"    HostName {_address(guest)}",
        f"    Port {Admin().ssh_port if router else _SSH_PORT}",
        f"    HostKeyAlias {alias(guest)}",
        f"    ControlPath {_quoted(folder / socket(guest))}",
        f"    UserKnownHostsFile {_quoted(hosts)}",
        f"    StrictHostKeyChecking {'yes' if known else 'accept-new'}",
    ]
    if jump is not None:
        lines.append(f"    ProxyCommand {jump}")
    return lines


def _common(identity: Identity) -> list[str]:
    if not _USER.fullmatch(identity.user):
        raise NotPossibleError(f"{identity.user!a} is no user to log in as.")
    lines = [f"User {identity.user}"]
    if identity.key_file is not None:
        lines += [f"IdentityFile {_quoted(identity.key_file)}", "IdentitiesOnly yes"]
    return [
        *lines,
        "BatchMode yes",
        "PreferredAuthentications publickey",
        "PubkeyAuthentication yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "GSSAPIAuthentication no",
        "HostbasedAuthentication no",
        "ForwardAgent no",
        "ForwardX11 no",
        "PermitLocalCommand no",
        "UpdateHostKeys no",
        "VerifyHostKeyDNS no",
        "GlobalKnownHostsFile /dev/null",
        "CheckHostIP no",
        "HashKnownHosts no",
        "CanonicalizeHostname no",
        "AddressFamily inet",
        "ControlMaster auto",
        f"ControlPersist {PERSIST}",
        f"ConnectTimeout {CONNECT}",
        "ServerAliveInterval 5",
        "ServerAliveCountMax 3",
        "LogLevel ERROR",
    ]


def _address(guest: Guest) -> str:
    found = guest.public_address or guest.address
    if guest.role is not Role.ROUTER:
        found = guest.address or guest.public_address
    try:
        return str(IPv4Address(found))
    except ValueError as error:
        raise UnreachableError(
            f"{guest.name} has no address in its farm.",
            hint="`farmctl plan` shows what is wrong with it.",
        ) from error


def _quoted(path: Path) -> str:
    """Return a path as ssh's configuration takes it, `%` being its own sign."""
    text = str(path)
    if not text.isprintable():
        raise NotPossibleError(f"{text!a} cannot stand in a configuration of ssh.")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _shell(command: Iterable[str]) -> str:
    """Return a command as ssh hands it to a shell; %h and %p stay what they are."""
    return " ".join(
        f"'{each}'" if each == _GOAL else shlex.quote(each).replace("%", "%%")
        for each in command
    )
