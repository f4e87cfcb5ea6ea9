"""What OpenNebula's refusals mean in farmctl's tree of errors: the one place.

OpenNebula answers a refusal with a code and a sentence. The code alone says too
little: 512 is a missing right, a lock or a quota; 2048 a state or a lack of room; 8192
a name that is taken or a mistake. The sentences are those of OpenNebula 7.4 and 6.10.
"""

import re

from farmctl.errors import (
    BadAnswerError,
    BusyError,
    CloudError,
    GoneError,
    LockedError,
    NameTakenError,
    NotAuthenticatedError,
    NotAuthorisedError,
    QuotaError,
    RefusedError,
)

AUTHENTICATION = 0x0100
AUTHORISATION = 0x0200
NO_EXISTS = 0x0400
ACTION = 0x0800
XML_RPC_API = 0x1000
INTERNAL = 0x2000
ALLOCATE = 0x4000
LOCKED = 0x8000

_METHOD = re.compile(r"^\[(?P<method>[\w.]+)\]\s*")
_QUOTA = re.compile(
    r"(?P<whose>user|group) \[(?P<id>\d+)\] limit of (?P<limit>\S+) reached for "
    r"(?P<what>\w+) quota in (?P<where>\w+)"
)
_TAKEN = re.compile(r"NAME is already taken by \w+ (?P<id>\d+)")
_IS_LOCKED = re.compile(r"\b\w+ is locked\b|owned by another user")
_NO_ROOM = re.compile(r"does not fit in host|Not enough (?:CPU|memory|space)")
_WRONG_STATE = re.compile(
    r"cannot be \w+ in state|wrong state|not available for state", re.IGNORECASE
)
_QUOTA_WORDS = {
    "VMS": "virtual machines",
    "RUNNING_VMS": "running virtual machines",
    "CPU": "CPUs",
    "RUNNING_CPU": "running CPUs",
    "MEMORY": "MiB of memory",
    "RUNNING_MEMORY": "MiB of running memory",
    "SYSTEM_DISK_SIZE": "MiB of system disks",
    "LEASES": "network leases",
    "SIZE": "MiB of images",
    "IMAGES": "images",
}


def refusal(method: str, code: int, message: str) -> CloudError:
    """Return the error that a refusal stands for.

    Args:
        method: what was called, such as `one.vm.deploy`.
        code: OpenNebula's class of error.
        message: OpenNebula's sentence, with or without the method before it.
    """
    said = _METHOD.sub("", message.strip()).rstrip()
    text = f"{method}: {said or f'refused with code {code}'}"
    match code:
        case 0x0100:
            return NotAuthenticatedError(
                f"OpenNebula does not know this user and password ({method}).",
                hint="Look at the auth file, or at $ONE_AUTH.",
            )
        case 0x0200:
            return _unauthorised(text, said)
        case 0x0400:
            return GoneError(text)
        case 0x0800:
            if _NO_ROOM.search(said):
                return RefusedError(text)
            return LockedError(text) if _IS_LOCKED.search(said) else BusyError(text)
        case 0x8000:
            return LockedError(text)
        case 0x1000 | 0x2000 | 0x4000:
            return _refused(text, said)
        case _:
            return BadAnswerError(f"{text} (code {code}, which is not known)")


def fault(method: str, code: int, message: str) -> CloudError:
    """Return the error for a refusal by the XML-RPC layer itself."""
    match code:
        case -506:
            return BadAnswerError(
                f"This OpenNebula does not know {method}.",
                hint="OpenNebula 6.10 or later is needed.",
            )
        case -501:
            return BadAnswerError(
                f"This OpenNebula wants other arguments for {method}: {message}",
                hint="OpenNebula 6.10 or later is needed.",
            )
        case _:
            return BadAnswerError(f"{method} failed with fault {code}: {message}")


def _unauthorised(text: str, said: str) -> CloudError:
    quota = _QUOTA.search(said)
    if quota is not None:
        what = quota["what"]
        words = _QUOTA_WORDS.get(what, what)
        return QuotaError(
            f"The quota of {quota['whose']} {quota['id']} is used up: "
            f"{quota['limit']} {words}.",
            hint="Ask for a larger quota, or make room in it.",
        )
    if "quota" in said:
        return QuotaError(text, hint="Ask for a larger quota, or make room in it.")
    if _IS_LOCKED.search(said):
        return LockedError(text)
    return NotAuthorisedError(text, hint="Ask an administrator for this right.")


def _refused(text: str, said: str) -> CloudError:
    taken = _TAKEN.search(said)
    if taken is not None:
        return NameTakenError(text, object_id=int(taken["id"]))
    if "NAME is already taken" in said:
        return NameTakenError(text, object_id=None)
    if _WRONG_STATE.search(said):
        return BusyError(text)
    if "Cannot get IP/MAC lease" in said:
        return RefusedError(
            text,
            hint="The address is taken, out of range, or the network is full or new.",
        )
    return RefusedError(text)
