"""Making a node: namespaces, overlay, /dev, /proc, then its init. All of it is here.

`spawn` forks twice: the first child makes the namespaces, the second is PID 1 of the
new process namespace. When the first has ended, the second is the keeper's own child
(it adopts orphans), and only then asks to die with it. It builds its root, says so,
waits until its network is plugged, and executes the tree's init.

The keeper must be single-threaded: it forks without executing, and the death of the
thread that forked is what the kernel takes for the death of the parent.
"""

import contextlib
import os
import signal
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from farmctl.embedded.netns import guard, kernel, tiny

_READY = b"+"
_MESSAGE = 4096
_ALL = 1 << 20
_INITS = ("/sbin/init", "/usr/sbin/init", "/usr/lib/systemd/systemd")
_ENVIRONMENT = {
    # What LXC tells its guests: OpenWrt's procd leaves the mounts to us then.
    "container": "lxc",
    "HOME": "/",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "linux",
}
_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_OPTIONAL = ("net/tun", "fuse")
_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
}
_OWN_SETTINGS = ("net", "kernel/hostname", "kernel/domainname")
"""What is the node's own below /proc/sys: those of its namespaces."""
_DIRECTORIES = ("proc", "sys", "dev", "run", "context", "media", "tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a node is made from."""

    hostname: str
    lower: tuple[Path, ...]
    """Read-only directories of its root, the uppermost first."""
    upper: Path
    """Where it writes."""
    work: Path
    """The overlay's own; made new each time."""
    root: Path
    """Where its root is mounted, in its own mount namespace only."""
    context: Path
    """What appears as /context, read-only."""
    media: Path
    """What appears as /media: its further disks."""
    tiny: bool = False
    """Whether it gets our own small init, whatever its tree has."""


class NotMadeError(Exception):
    """A node cannot be made; the message says which step failed and why."""


class Newborn:
    """A node's first process, between its fork and its init.

    `ready` is a descriptor that becomes readable when its root stands, or when that
    failed. `go` executes the init, and `ready` becomes readable once more. One that
    nobody wants is ended by `discard`.
    """

    def __init__(
        self, pid: int, *, ready: int, gate: int, console: int, terminal: int
    ) -> None:
        self.pid = pid
        self.ready = ready
        self.console = console
        """The master of its console."""
        self.terminal = terminal
        """The console itself: held open, or the master would hang up in between."""
        self.pidfd = os.pidfd_open(pid)
        self._gate = gate

    def root_stands(self) -> None:
        """Take in what it says of its root, once `ready` is readable.

        Raises:
            NotMadeError: its root cannot be built.
        """
        said = os.read(self.ready, _MESSAGE)
        if said != _READY:
            raise NotMadeError(said.decode(errors="replace") or "its process died")

    def init_runs(self) -> None:
        """Take in how `go` went, once `ready` is readable again.

        Raises:
            NotMadeError: its init cannot be executed.
        """
        said = os.read(self.ready, _MESSAGE)
        if said:
            raise NotMadeError(said.decode(errors="replace"))

    def go(self) -> None:
        """Let it execute its init; `ready` tells once more how that went."""
        os.write(self._gate, b"g")
        self._close_gate()

    def press(self, button: signal.Signals) -> None:
        """Send its init a signal; one that has ended hears none."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, button)

    def discard(self) -> None:
        """Kill it; its end is still to be waited for."""
        self.press(signal.SIGKILL)
        self._close_gate()

    def close(self) -> None:
        """Give up the descriptors of one that has ended."""
        self._close_gate()
        for descriptor in (self.pidfd, self.console, self.terminal):
            os.close(descriptor)

    def _close_gate(self) -> None:
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1


def spawn(plan: Plan) -> Newborn:
    """Begin a node; its process works on while this returns.

    Raises:
        NotMadeError: the namespaces cannot be had.
        OSError: no process, no terminal, no descriptor can be had.
    """
    master, slave = os.openpty()
    numbers, number = os.pipe()
    ready, say = os.pipe()
    wait, gate = os.pipe()
    first = os.fork()
    if first == 0:
        # One mistake must not let a copy of the keeper go on as a second keeper.
        try:
            _first(plan, number=number, say=say, wait=wait, console=slave)
        finally:
            os._exit(70)
    for descriptor in (number, say, wait):
        os.close(descriptor)
    os.waitpid(first, 0)
    told = os.read(numbers, 32)
    os.close(numbers)
    if not told:
        message = os.read(ready, _MESSAGE).decode(errors="replace")
        for descriptor in (ready, gate, master, slave):
            os.close(descriptor)
        raise NotMadeError(message or "the node's first process died")
    os.write(gate, b"r")
    os.set_blocking(ready, False)
    os.set_blocking(master, False)
    return Newborn(int(told), ready=ready, gate=gate, console=master, terminal=slave)


def init_of(root: Path) -> str:
    """Return the init that a tree has, "" where it has none."""
    for name in _INITS:
        found = root / name.lstrip("/")
        # A link may lead to where only the node itself can follow it.
        if found.is_symlink() or (found.is_file() and os.access(found, os.X_OK)):
            return name
    return ""


def _first(plan: Plan, *, number: int, say: int, wait: int, console: int) -> NoReturn:
    _keep_only(number, say, wait, console)
    try:
        kernel.unshare(
            kernel.NEWNS | kernel.NEWUTS | kernel.NEWIPC | kernel.NEWPID | kernel.NEWNET
        )
        child = os.fork()
    except OSError as error:
        os.write(say, str(error.strerror).encode())
        os._exit(71)
    if child:
        os.write(number, str(child).encode())
        os._exit(0)
    os.close(number)
    try:
        _second(plan, say=say, wait=wait, console=console)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        os.write(say, f"{error.strerror}{where}".encode())
    os._exit(72)


def _second(plan: Plan, *, say: int, wait: int, console: int) -> NoReturn:
    # Our first parent has ended when this arrives: we are the keeper's child now.
    if os.read(wait, 1) != b"r":
        os._exit(73)
    kernel.die_with_parent(signal.SIGKILL)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(each, signal.SIG_DFL)
    kernel.make_private()
    _root(plan, console)
    kernel.set_hostname(plan.hostname)
    kernel.loopback_up()
    kernel.pivot_root(str(plan.root))
    kernel.forget_login()
    init = "" if plan.tiny else init_of(Path("/"))
    os.write(say, _READY)
    # A keeper that dies before this leaves us an end of file.
    if os.read(wait, 1) != b"g":
        os._exit(74)
    for descriptor in (0, 1, 2):
        os.dup2(console, descriptor)
    kernel.drop_capabilities()
    guard.keep_off_the_machine()
    if init:
        # `say` closes with this, which tells the keeper that it went well.
        os.execve(init, [init], _ENVIRONMENT)  # noqa: S606  # what the tree has
    _keep_only()
    tiny.run(_ENVIRONMENT)


def _keep_only(*wanted: int) -> None:
    """Close all that the keeper had open: its death must be heard by everybody."""
    last = 2
    for descriptor in sorted(wanted):
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, _ALL)


def _root(plan: Plan, console: int) -> None:
    root = str(plan.root)
    layers = ":".join(_escaped(layer) for layer in plan.lower)
    places = f"upperdir={_escaped(plan.upper)},workdir={_escaped(plan.work)}"
    # `volatile`: a node's fsync does not wait for the machine's disk. Its disk is as
    # safe as the machine is; the death of any process loses nothing.
    # NODEV: a tree may come with device nodes of the machine's own disks.
    kernel.mount(
        "overlay",
        root,
        "overlay",
        flags=kernel.NODEV,
        data=f"lowerdir={layers},{places},volatile",
    )
    for name in _DIRECTORIES:
        (plan.root / name).mkdir(exist_ok=True)
    safe = kernel.NOSUID | kernel.NODEV | kernel.NOEXEC
    _proc(f"{root}/proc", aside=f"{root}/run", flags=safe)
    kernel.mount("sysfs", f"{root}/sys", "sysfs", flags=safe | kernel.RDONLY)
    _devices(f"{root}/dev", console)
    kernel.mount(
        "tmpfs",
        f"{root}/run",
        "tmpfs",
        flags=kernel.NOSUID | kernel.NODEV,
        data="mode=755",
    )
    files = kernel.NOSUID | kernel.NODEV
    kernel.bind(str(plan.context), f"{root}/context", flags=files | kernel.RDONLY)
    kernel.bind(str(plan.media), f"{root}/media", flags=files)


def _proc(place: str, *, aside: str, flags: int) -> None:
    """Mount /proc: read-only what is the whole machine's, but for the node's own."""
    for each in (place, aside):
        kernel.mount("proc", each, "proc", flags=flags)
    for name in ("sys", "sysrq-trigger", "irq", "bus"):
        if Path(place, name).exists():
            kernel.bind(
                f"{place}/{name}", f"{place}/{name}", flags=flags | kernel.RDONLY
            )
    for name in _OWN_SETTINGS:
        source, target = f"{aside}/sys/{name}", f"{place}/sys/{name}"
        kernel.mount(source, target, flags=kernel.BIND)
    kernel.umount(aside)


def _devices(place: str, console: int) -> None:
    kernel.mount("tmpfs", place, "tmpfs", flags=kernel.NOSUID, data="mode=755,size=64k")
    before = os.umask(0)
    for name in (*_NODES, *_OPTIONAL):
        try:
            number = Path(f"/dev/{name}").stat().st_rdev
        except FileNotFoundError:
            continue
        target = Path(place, name)
        target.parent.mkdir(mode=0o755, exist_ok=True)
        os.mknod(target, stat.S_IFCHR | 0o666, number)
    os.umask(before)
    for name, aim in _LINKS.items():
        Path(place, name).symlink_to(aim)
    for name in ("pts", "shm", "mqueue"):
        Path(place, name).mkdir()
    kernel.mount(
        "devpts",
        f"{place}/pts",
        "devpts",
        flags=kernel.NOSUID | kernel.NOEXEC,
        data="newinstance,ptmxmode=0666,mode=0620,gid=5",
    )
    kernel.mount(
        "tmpfs",
        f"{place}/shm",
        "tmpfs",
        flags=kernel.NOSUID | kernel.NODEV,
        data="mode=1777",
    )
    Path(place, "console").touch()
    kernel.bind(os.ttyname(console), f"{place}/console")


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
