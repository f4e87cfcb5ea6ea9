"""What ssh complains of, in our words: who is away, who lets us not in, and why.

ssh's own messages go to a file of their own (`-E`), so that none of them is taken for
what a command in the guest wrote.
"""

import re

from farmctl.errors import CloudError, NotAuthenticatedError, UnreachableError
from farmctl.model.guests import Guest
from farmctl.model.nodes import Role
from farmctl.ssh.identity import Identity

_NO_MATTER = re.compile(
    r"ControlSocket .* already exists, disabling multiplexing"
    r"|mux_client_.*|Warning: Permanently added .*|\s*"
)
_CHANGED = re.compile(
    r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed"
    r"|no matching host key type"
)
_KEPT_OUT = re.compile(
    r"Permission denied|Too many authentication failures|No more authentication"
    r"|Load key|sign_and_send_pubkey|no mutual signature"
)
_REFUSED = re.compile(r"Connection refused")
_NO_FORWARD = re.compile(r"[Ss]tdio forwarding (request )?failed")
_SILENT = re.compile(r"timed out|No route to host|Network is unreachable|Host is down")
_NOISE = re.compile(r"^(ssh|debug\d|kex_exchange_identification|channel \d+): ")


def complaints(log: str) -> str:
    """Return what of ssh's log says that something went wrong; a line each."""
    lines = (each.strip() for each in log.splitlines())
    return "\n".join(each for each in lines if not _NO_MATTER.fullmatch(each))


def error(
    log: str, guest: Guest, identity: Identity, *, router: Guest | None, remembered: str
) -> CloudError:
    """Return what a failed connection means.

    Args:
        log: what ssh complained of, that of the way to it included.
        guest: where we wanted to.
        identity: as whom.
        router: on the way, if one is.
        remembered: the file with the host keys of guests that told none.
    """
    where = f"{guest.name} ({guest.address or guest.public_address})"
    if _CHANGED.search(log):
        if guest.host_key:
            return NotAuthenticatedError(
                f"{where} is not who it says it is: its SSH host key is not the one "
                "that it told OneGate. Nothing was sent.",
                hint="Its host keys were made anew, and a reboot of the VM tells "
                "OneGate; or another machine answers at its address, and then do "
                "not log in.",
            )
        return NotAuthenticatedError(
            f"{where} is not who it was: its SSH host key has changed since we first "
            "saw it. Nothing was sent.",
            hint="If it was installed anew, take the line of "
            f"vm-{guest.vm_id} out of {remembered}; if not, another machine answers "
            "at its address.",
        )
    if _KEPT_OUT.search(log):
        key = "the keys of your agent and of ~/.ssh"
        if identity.key_file is not None:
            key = f"the key {identity.key_file}"
        return NotAuthenticatedError(
            f"{where} does not let {identity.user} in with {key}{_said(log)}.",
            hint="Put the public half among the site's admin.ssh_keys and apply the "
            "farm, or name another login.key_file. A key with a passphrase has to be "
            "in your ssh-agent.",
        )
    on_the_way = "" if router is None else f", through {router.name}"
    if router is not None and _NO_FORWARD.search(log):
        # The router says no more, be it silence or a refusal.
        return UnreachableError(
            f"{where} does not answer SSH{on_the_way}.",
            hint="It is away, or its sshd does not run. Look at its console.",
        )
    if _REFUSED.search(log):
        return UnreachableError(
            f"{where} refuses SSH{on_the_way}.",
            hint="Its sshd does not run (any more, or yet).",
        )
    if guest.role is Role.ROUTER:
        return UnreachableError(
            f"{where} does not answer on its SSH port{_said(log)}.",
            hint="It answers only from the site's admin.addresses; is this machine "
            "one of them, and does the router run?",
        )
    if _SILENT.search(log) or not log:
        return UnreachableError(
            f"{where} does not answer{on_the_way}{_said(log)}.",
            hint="Look at its console; `farmctl status` shows what OpenNebula says.",
        )
    return UnreachableError(
        f"No SSH to {where}{on_the_way}{_said(log)}.",
        hint="`farmctl status` shows what OpenNebula says of it.",
    )


def _said(log: str) -> str:
    """Return the most telling of ssh's words, as an insertion."""
    lines = [_NOISE.sub("", each).strip(" .\r") for each in log.splitlines()]
    lines = [each for each in lines if each and "UNKNOWN port" not in each]
    return f" ({lines[-1]})" if lines else ""
