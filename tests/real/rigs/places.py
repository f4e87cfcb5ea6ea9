"""Places to send packets from: a thread in a network namespace of its own, and frames.

A thread that leaves the network namespace of its process is all that the kernel needs
to take something for a node; with its end everything in the namespace is gone.
"""

import ctypes
import os
import secrets
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")

BROADCAST = "ff:ff:ff:ff:ff:ff"
NEWNET = 0x40000000
PATIENCE = 5.0


class Place:
    """A network namespace, as long as its thread lives."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self.pid = self._pool.submit(_leave).result(PATIENCE)
        self._open: list[socket.socket] = []

    def do(self, call: Callable[..., _T], *args: Any) -> _T:
        return self._pool.submit(call, *args).result(60)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.do(
            lambda: subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=30
            )
        )

    def ip(self, *lines: str) -> None:
        for line in lines:
            done = self.run("ip", *line.split())
            assert done.returncode == 0, done.stderr

    def opened(self, *kind: int) -> socket.socket:
        made = self.do(socket.socket, *kind)
        made.settimeout(PATIENCE)
        self._open.append(made)
        return made

    def wire(self, device: str = "eth0") -> socket.socket:
        """Every frame that comes to the interface, and what is sent goes as it is."""
        made = self.opened(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind((device, 0))
        return made

    def links(self) -> list[str]:
        said = self.run("ip", "-brief", "link").stdout.splitlines()
        return [line.split()[0].split("@")[0] for line in said]

    def listen(self, port: int, address: str = "") -> socket.socket:
        server = self.opened(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        return server

    def connect(self, address: str, port: int, timeout: float = 1.0) -> socket.socket:
        client = self.opened(socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(timeout)
        client.connect((address, port))
        client.settimeout(PATIENCE)
        return client

    def reaches(self, address: str, port: int) -> bool:
        try:
            self.connect(address, port, 2.0).close()
        except OSError:
            return False
        return True

    def pings(self, address: str, *, size: int = 56, source: str = "") -> bool:
        """Whether a ping is answered within two seconds: the machine may be busy."""
        wire = self.opened(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        wire.bind((source, 0))
        wire.settimeout(2.0)
        number = secrets.randbits(16)
        body = struct.pack("!BBHHH", 8, 0, 0, number, 1) + bytes(size)
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        try:
            wire.sendto(body, (address, 0))
            while True:
                answer = wire.recv(65536)[20:]
                kind, _, _, found, _ = struct.unpack("!BBHHH", answer[:8])
                if (kind, found) == (0, number):
                    return True
        except OSError:
            return False

    def end(self) -> None:
        for each in self._open:
            each.close()
        self._pool.shutdown()


def _leave() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(NEWNET) == 0, os.strerror(ctypes.get_errno())
    return threading.get_native_id()


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def raw(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(payload: bytes, *, source: str, to: str = BROADCAST, kind: int) -> bytes:
    return (raw(to) + raw(source) + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def arp(
    *, sender: str, address: str, wanted: str, source: str, reply: bool = False
) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2 if reply else 1)
    body += raw(sender) + socket.inet_aton(address)
    body += bytes(6) + socket.inet_aton(wanted)
    return ethernet(body, source=source, kind=0x0806)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def ipv4(protocol: int, payload: bytes, *, source: str, to: str) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(to)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp(body: bytes, *, source: int, to: int) -> bytes:
    return struct.pack("!HHHH", source, to, 8 + len(body), 0) + body


def packet(body: bytes, *, source: str, address: str, to: str = "10.0.7.255") -> bytes:
    payload = ipv4(17, udp(body, source=4000, to=4001), source=address, to=to)
    return ethernet(payload, source=source, kind=0x0800)


def seen(wire: socket.socket, last: bytes) -> list[bytes]:
    """Return the frames that came, up to the one with `last` in it."""
    frames: list[bytes] = []
    while last not in (frame := heard(wire)):
        frames.append(frame)
    return frames


def heard(wire: socket.socket) -> bytes:
    """Return the next frame that came; those that went out are seen as well."""
    while True:
        frame, place = wire.recvfrom(2000)
        if place[2] != socket.PACKET_OUTGOING:
            return bytes(frame)
