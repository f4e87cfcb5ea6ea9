"""`ip`, `nft` and the kernel's switches, as the fabric speaks to them.

Each call is one process, however much it is told: `ip -batch -` reads a command a
line, `nft -f -` takes all of its lines or none. Everything happens in the network
namespace of the calling thread, but for `machine`, whose `ip` runs beside the process
that is named. Texts come from `ports` and `filters`, which let through nothing that
would need quoting.
"""

import ipaddress
import json
import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from farmctl.errors import FarmctlError, NotPossibleError

_PATIENCE: Final = 30.0
"""Seconds for one call; the kernel answers in milliseconds."""

_NET = Path("/proc/sys/net")


class FabricError(FarmctlError):
    """The kernel did not take what the fabric asked for."""


def demand_tools() -> None:
    """Check that the programs are there.

    Raises:
        NotPossibleError: one is not.
    """
    packages = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"}
    missing = sorted(tool for tool in packages if shutil.which(tool) is None)
    if missing:
        raise NotPossibleError(
            f"Networks of real nodes need {', '.join(missing)}.",
            hint="Install "
            + ", ".join(sorted({packages[tool] for tool in missing}))
            + ".",
        )


def ip(lines: Sequence[str], *, at: int = 0) -> None:
    """Carry out commands of `ip`, in order, up to the first that fails.

    Args:
        lines: the commands without `ip`.
        at: a process whose network namespace is meant; 0: the caller's.

    Raises:
        FabricError: one failed; those before it are done.
    """
    if lines:
        _run(
            [*_beside(at), "ip", "-batch", "-"],
            "".join(f"{line}\n" for line in lines),
        )


def delete(devices: Iterable[str]) -> None:
    """Delete interfaces of the caller's namespace; one that is not there is no error.

    The kernel deletes those of a namespace that has ended when it gets round to it,
    which may be while this works.

    Raises:
        FabricError: one cannot be deleted.
    """
    left = [device for device in devices if has(device)]
    while left:
        try:
            ip([f"link del dev {device}" for device in left])
        except FabricError:
            there, left = left, [device for device in left if has(device)]
            if left == there:
                raise
        else:
            return


def nft(lines: Iterable[str]) -> None:
    """Carry out commands of `nft` as one transaction.

    Raises:
        FabricError: nothing was changed.
    """
    text = "".join(f"{line}\n" for line in lines)
    if text:
        _run(["nft", "-f", "-"], text)


def counters(table: str) -> Mapping[str, int]:
    """Return the packets that each named counter of a table has counted."""
    answer = _run(["nft", "-j", "list", "counters", "table", *table.split()], "")
    listed: list[dict[str, Any]] = json.loads(answer)["nftables"]
    return {
        each["counter"]["name"]: int(each["counter"]["packets"])
        for each in listed
        if "counter" in each
    }


def addresses(*, at: int) -> list[tuple[str, ipaddress.IPv4Interface]]:
    """Return the IPv4 addresses of the interfaces beside a process."""
    answer = _run([*_beside(at), "ip", "-4", "-json", "address", "show"], "")
    return [
        (
            link["ifname"],
            ipaddress.IPv4Interface(f"{info['local']}/{info['prefixlen']}"),
        )
        for link in json.loads(answer or "[]")
        for info in link.get("addr_info", ())
    ]


def routes(*, at: int) -> list[tuple[str, ipaddress.IPv4Network]]:
    """Return the IPv4 routes beside a process, by the interface they leave through."""
    answer = _run(
        [*_beside(at), "ip", "-4", "-json", "route", "show", "table", "all"], ""
    )
    found: list[tuple[str, ipaddress.IPv4Network]] = []
    for route in json.loads(answer or "[]"):
        said = route.get("dst", "default")
        if said != "default":
            found.append((route.get("dev", ""), ipaddress.IPv4Network(said)))
    return found


def has(device: str) -> bool:
    """Return whether the caller's namespace has an interface of this name."""
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True


def switch(values: Mapping[str, str]) -> None:
    """Write kernel parameters below /proc/sys/net; those that are not there are not.

    Raises:
        FabricError: one cannot be written.
    """
    for name, value in values.items():
        path = _NET / name
        if not path.exists():
            continue
        try:
            path.write_text(value, "ascii")
        except OSError as error:
            raise FabricError(f"{path} cannot be set to {value}: {error}.") from error


def _beside(process: int) -> list[str]:
    return ["nsenter", f"--net=/proc/{process}/ns/net", "--"] if process else []


def _run(command: Sequence[str], text: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own words, see `ports`
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FabricError(f"{command[0]} did not run: {error}.") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise FabricError(f"{' '.join(command)}: {said}")
    return done.stdout
