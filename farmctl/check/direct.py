"""Trying to get into a farm's class C past the router's forwards.

A neighbour of the router in the public network could send it packets for the addresses
behind it. From such a place we do the same, with frames of our own making, as our own
routes lead elsewhere; that takes root. From farther away our routes are what anybody's
packets would take. Where neither leads to the router nothing is sent at all.
"""

import json
import random
import select
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from farmctl.check.knocking import Answer, Target, knock

_SECONDS = 2.0
_ETHERNET = 14
_IPV4, _TCP = 0x0800, 6
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_PORTS = (33_000, 60_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """What addresses of the class C answered; `why_not` says why none was asked.

    `beside`: we stand beside the router, so that any answer came through it.
    """

    answers: Mapping[Target, Answer] = field(default_factory=dict)
    why_not: str = ""
    beside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way that this machine's packets take: its interface, and the next hop."""

    device: str
    gateway: str
    source: str


def enter(public: str, targets: Sequence[Target]) -> Inner:
    """Knock at addresses behind a router and return what answered.

    Args:
        public: the router's public address.
        targets: addresses and ports of its class C.
    """
    to_router, inward = _way(public), _way(targets[0][0])
    if to_router is None:
        return Inner(why_not="this machine knows no way to the router")
    if to_router.gateway:
        if inward == to_router:
            return Inner(answers=knock(targets))
        told = "nowhere" if inward is None else f"through {inward.device}"
        return Inner(why_not=f"the way there leads {told}, not to the router")
    mac = _neighbour(public, to_router.device)
    if not mac:
        return Inner(why_not=f"the router's MAC on {to_router.device} is not known")
    try:
        answers = _past(to_router, mac, targets)
    except PermissionError:
        return Inner(why_not="it takes root to send the router packets for them")
    except OSError as error:
        return Inner(why_not=f"nothing could be sent: {error.strerror}")
    return Inner(answers=answers, beside=True)


def _way(to: str) -> Way | None:
    program = shutil.which("ip")
    if program is None:
        return None
    done = subprocess.run(  # noqa: S603 - an address that is one
        [program, "-j", "route", "get", to],
        capture_output=True,
        check=False,
        text=True,
        timeout=_SECONDS,
    )
    try:
        (found,) = json.loads(done.stdout)
        return Way(
            device=str(found["dev"]),
            gateway=str(found.get("gateway", "")),
            source=str(found["prefsrc"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _neighbour(address: str, device: str) -> str:
    """Return the MAC of a neighbour, as the kernel has learnt it."""
    knock([(address, 9)], seconds=1.0)  # so that it learns it
    table = Path("/proc/net/arp").read_text("ascii").splitlines()[1:]
    for words in (line.split() for line in table):
        if words[0] == address and words[-1] == device and words[3].strip("0:"):
            return words[3]
    return ""


def _past(way: Way, mac: str, targets: Sequence[Target]) -> Mapping[Target, Answer]:
    """Send each target a SYN by way of the router, twice, and see what comes back."""
    own = Path(f"/sys/class/net/{way.device}/address").read_text("ascii").strip()
    head = bytes.fromhex((mac + own).replace(":", "")) + struct.pack("!H", _IPV4)
    # Which connection is for which target: by our own port.
    first = random.randrange(*_PORTS)  # noqa: S311 - no secret
    ports = {first + number: target for number, target in enumerate(targets)}
    found = dict.fromkeys(targets, Answer.SILENT)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
        wire.bind((way.device, 0))
        for _ in range(2):
            for port, target in ports.items():
                wire.send(head + _syn(way.source, port, target))
            until = time.monotonic() + _SECONDS / 2
            while (left := until - time.monotonic()) > 0:
                if not select.select([wire], [], [], left)[0]:
                    break
                _note(wire.recv(65_535), ports, found)
    return found


def _note(
    frame: bytes, ports: Mapping[int, Target], found: dict[Target, Answer]
) -> None:
    packet = frame[_ETHERNET:]
    if frame[12:14] != b"\x08\x00" or len(packet) < 40 or packet[9] != _TCP:  # noqa: PLR2004 - two headers
        return
    segment = packet[(packet[0] & 15) * 4 :]
    if len(segment) < 14:  # noqa: PLR2004 - up to the flags
        return
    port, to_port = struct.unpack("!2H", segment[:4])
    target = ports.get(to_port)
    if target != (socket.inet_ntoa(packet[12:16]), port):
        return
    if segment[13] & _RST:
        found[target] = Answer.REFUSED
    elif segment[13] & (_SYN | _ACK) == _SYN | _ACK:
        found[target] = Answer.OPEN


def _syn(source: str, port: int, target: Target) -> bytes:
    sender, to = socket.inet_aton(source), socket.inet_aton(target[0])
    number = random.getrandbits(32)
    tcp = struct.pack("!2H2I2B3H", port, target[1], number, 0, 0x50, _SYN, 1024, 0, 0)
    summed = _checksum(sender + to + struct.pack("!2H", _TCP, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", summed) + tcp[18:]
    ip = struct.pack(
        "!2B3H2BH", 0x45, 0, 20 + len(tcp), number & 0xFFFF, 0, 64, _TCP, 0
    )
    ip += sender + to
    return ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:] + tcp


def _checksum(data: bytes) -> int:
    """Return the checksum of the Internet (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return 0xFFFF - ((total + (total >> 16)) & 0xFFFF)
