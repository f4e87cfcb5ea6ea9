"""The server's process: `python -m farmctl.embedded DIRECTORY`.

Started by `process.start`, which has written the settings there. Holds the lock on
the directory as long as it lives; says `ready` on the descriptor that it was given
once it answers. Ends with 3 where a port is taken, 4 where the directory is another's,
5 where its state cannot be kept, 6 where real nodes cannot be had.
"""

import asyncio
import fcntl
import gc
import json
import logging
import os
import secrets
import socket
import sqlite3
import sys
from pathlib import Path

from farmctl.embedded.engine import Engine
from farmctl.embedded.netns.link import Link
from farmctl.embedded.netns.public import PublicNetwork
from farmctl.embedded.server import LOOPBACK, Wires, listen
from farmctl.embedded.settings import (
    PRIVATE,
    USUAL_ONEGATE_PORT,
    USUAL_PORT,
    Settings,
)
from farmctl.errors import NotPossibleError

PORT_TAKEN = 3
DIRECTORY_TAKEN = 4
NO_STORE = 5
NO_NODES = 6
_LOG = logging.getLogger("farmctl.embedded")


def main(directory: Path) -> int:
    """Serve the cloud in that directory until told to stop; return the exit status."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    # Tens of thousands of objects that live long and hold no cycles: collecting them
    # again and again would cost more than all calls.
    gc.set_threshold(50_000, 20, 50)
    settings = Settings.from_json((directory / "settings.json").read_text())
    lock = (directory / "server.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _LOG.critical("another server has %s", directory)
        return DIRECTORY_TAKEN
    last = _last_ports(settings)
    try:
        rpc = _listen(settings.port, USUAL_PORT, last[0])
        gate = _listen(settings.onegate_port, USUAL_ONEGATE_PORT, last[1])
    except OSError as error:
        ports = f"{settings.port} or {settings.onegate_port}"
        _LOG.critical("port %s on %s is taken: %s", ports, LOOPBACK, error.strerror)
        return PORT_TAKEN
    if not settings.real:
        return _cloud(settings, rpc, [gate])
    port = gate.getsockname()[1]
    with Link(directory, service=port) as nodes:
        try:
            nodes.start()
            # Guests come over the public network, where the machine has an address.
            seen = str(PublicNetwork.of(settings.public_network).machine)
            gates = [gate, listen(port, seen)]
        except (NotPossibleError, OSError) as error:
            _LOG.critical("%s", str(error).rstrip("."))
            return NO_NODES
        return _cloud(settings, rpc, gates, nodes)


def _cloud(
    settings: Settings,
    rpc: socket.socket,
    gates: list[socket.socket],
    nodes: Link | None = None,
) -> int:
    try:
        password, renew = _password(settings)
        engine = Engine(settings, password=password, renew=renew, nodes=nodes)
    except (sqlite3.Error, OSError) as error:
        where = settings.directory
        _LOG.critical("cannot keep the cloud's state in %s: %s", where, error)
        return NO_STORE
    engine.cloud.port = rpc.getsockname()[1]
    address, port = gates[-1].getsockname()
    engine.cloud.onegate_url = f"http://{address}:{port}"
    _announce(settings, rpc.getsockname()[1], port)
    try:
        asyncio.run(_serve(Wires(engine), rpc, gates, owner=settings.owner))
    finally:
        settings.endpoint_file.unlink(missing_ok=True)
        engine.close()
    return 0


async def _serve(
    wires: Wires, rpc: socket.socket, gates: list[socket.socket], *, owner: int
) -> None:
    """Serve until told to stop, or until the owning process is gone."""
    if not owner:
        await wires.run(rpc, gates)
        return
    try:
        watched = os.pidfd_open(owner)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(watched, wires.stop)
    try:
        await wires.run(rpc, gates)
    finally:
        loop.remove_reader(watched)
        os.close(watched)


def _listen(wanted: int, usual: int, last: int) -> socket.socket:
    if wanted not in {0, usual}:
        return listen(wanted)
    for port in (wanted, last):
        try:
            if port:
                return listen(port)
        except OSError as error:
            _LOG.info("port %s on %s is taken: %s", port, LOOPBACK, error.strerror)
    return listen(0)


def _last_ports(settings: Settings) -> tuple[int, int]:
    try:
        rpc, gate = json.loads(settings.ports_file.read_text())
        return int(rpc), int(gate)
    except (OSError, ValueError, TypeError):
        return 0, 0


def _password(settings: Settings) -> tuple[str, bool]:
    """Return oneadmin's password, and whether it had to be made."""
    file = settings.auth_file
    if file.exists():
        return file.read_text().strip().partition(":")[2], False
    password = secrets.token_urlsafe(24)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "w") as written:
        written.write(f"oneadmin:{password}\n")
    return password, True


def _announce(settings: Settings, port: int, onegate_port: int) -> None:
    told = {
        "pid": os.getpid(),
        "endpoint": f"http://{LOOPBACK}:{port}/RPC2",
        "onegate": f"http://{LOOPBACK}:{onegate_port}",
        "auth_file": str(settings.auth_file),
    }
    settings.ports_file.write_text(json.dumps([port, onegate_port]))
    draft = settings.endpoint_file.with_suffix(".new")
    draft.write_text(json.dumps(told))
    draft.replace(settings.endpoint_file)
    descriptor = os.environ.pop("FARMCTL_READY_FD", "")
    if descriptor:
        # The sockets listen already: whoever connects now is answered.
        os.write(int(descriptor), b"ready\n")
        os.close(int(descriptor))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
