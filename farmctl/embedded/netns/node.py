"""One node in the keeper: booted, told to power off, frozen, ended, booted again.

Holds its process and its console and says what became of them; orders come from
`keeper`, one at a time. A node that reboots by itself is the same node: it boots again
from the same disk with the same interfaces, and nobody is told.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from farmctl.embedded.netns import kernel, spawning
from farmctl.embedded.netns.messages import Spec
from farmctl.embedded.netns.running import FailedError, readable, run
from farmctl.embedded.netns.storage import Storage, note

_LOG = logging.getLogger(__name__)
_CONSOLE_BYTES = 1 << 20
_GRACE_SECONDS = 30.0
"""From being told to power off until it is killed, as OpenNebula's FORCE_DESTROY."""
_FREEZE_ROUNDS = 10
_POWER_OFF = "/sbin/poweroff"
_REBOOT = "/sbin/reboot"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Plug = Callable[[Spec, int], Awaitable[None]]
"""Gives the process its interfaces in the fabric."""

Bound = Callable[[int, int, int], None]
"""Puts a VM's process under its bounds, by its memory in MiB; `Bounds.take` does."""


class Node:
    """One node, whether it runs or not."""

    def __init__(
        self,
        vm: int,
        storage: Storage,
        *,
        plug: Plug,
        gone: Callable[["Node"], None],
        bound: Bound | None = None,
        tiny: bool = False,
    ) -> None:
        """Take what it works with.

        Args:
            vm: the VM's id.
            storage: where its disks are.
            plug: gives it its interfaces.
            gone: called when it has ended and nobody had asked for that.
            bound: puts it under its bounds; None: it has none.
            tiny: whether it gets our own init.
        """
        self.vm = vm
        self.spec: Spec | None = None
        """As it was told last."""
        self.frozen = False
        self.again = False
        """Whether it has ended in order to boot again."""
        self.lock = asyncio.Lock()
        """Held by whoever changes the node."""
        self._storage = storage
        self._plug = plug
        self._gone = gone
        self._bound = bound
        self._tiny = tiny
        self._born: spawning.Newborn | None = None
        self._console = -1
        self._ended = asyncio.Event()
        self._ended.set()
        self._expected = False
        self._init = ""

    @property
    def runs(self) -> bool:
        """Whether its init is there."""
        return not self._ended.is_set()

    @property
    def pid(self) -> int:
        """Its init, as the keeper sees it; 0: it does not run."""
        return self._born.pid if self._born is not None and self.runs else 0

    async def boot(self, spec: Spec) -> None:
        """Boot it; one that runs is ended first.

        Raises:
            FailedError, NoDiskError, NotMadeError, FabricError, OSError: it does not
                boot; says why. Nothing of it runs then.
        """
        await self.end()
        upper, lower = await self._storage.layers(spec)
        work = await self._storage.work(spec)
        self._storage.write_context(spec)
        place = self._storage.of(spec.vm)
        for name in ("root", "media"):
            (place / name).mkdir(exist_ok=True)
        self.spec = spec
        self._init = "" if self._tiny else _init_of(upper, lower)
        plan = spawning.Plan(
            hostname=f"one-{spec.vm}" if spec.vm >= 0 else spec.name,
            lower=lower,
            upper=upper,
            work=work,
            root=place / "root",
            context=place / "context",
            media=place / "media",
            tiny=self._tiny,
        )
        # First what may fail: a process that nobody hears could not be ended.
        log = self._open_log()
        try:
            born = spawning.spawn(plan)
        except BaseException:
            os.close(log)
            raise
        self._adopt(born, log)
        self._expected = True
        try:
            await readable(born.ready)
            born.root_stands()
            await self._plug(spec, born.pid)
            if self._bound is not None:
                self._bound(spec.vm, born.pid, spec.memory_mib)
            born.go()
            await readable(born.ready)
            born.init_runs()
        except BaseException:
            await self.end()
            raise
        finally:
            os.close(born.ready)
        facts = {"pid": born.pid, "start": kernel.started_at(born.pid)}
        note(place / "node.json", {"name": spec.name, **facts})
        self._expected = False
        if not self.runs:
            self._gone(self)

    async def shut_down(self) -> None:
        """Tell its init to power off, and kill it where it does not."""
        if not self.runs:
            return
        self.thaw()
        self._expected = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._tell(_POWER_OFF, signal.SIGPWR)
                await self._ended.wait()
        await self.end()

    async def restart(self, *, hard: bool) -> None:
        """Reboot it: by its init, or as by the reset button."""
        spec = self.spec
        if not self.runs or spec is None:
            return
        if not hard:
            self._expected = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    await self._tell(_REBOOT, signal.SIGINT)
                    await self._ended.wait()
        await self.boot(spec)

    async def end(self) -> None:
        """End it at once, as by pulling the plug; returns when nothing of it runs."""
        self._expected = True
        if self._born is not None and self.runs:
            self._born.discard()
            await self._ended.wait()
        self.frozen = False
        (self._storage.of(self.vm) / "node.json").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop all of its processes where they stand."""
        for _ in range(_FREEZE_ROUNDS):
            moving = [pid for pid in self._processes() if not _stopped(pid)]
            if not moving:
                break
            for pid in moving:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """Let them go on."""
        if self.frozen:
            for pid in self._processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.frozen = False

    def entering(self) -> Sequence[str]:
        """Return the words before a command that is to run inside the node."""
        # What we have in ours is none of the node's business.
        clean = ("env", "-i", f"PATH={_PATH}", "HOME=/", "TERM=linux")
        return (*kernel.inside(self.pid), *clean)

    async def _tell(self, program: str, button: signal.Signals) -> None:
        """Have it run one of its own programs, or press a button of its init's."""
        if self._init:
            with contextlib.suppress(FailedError, OSError):
                await run(*self.entering(), program)
                return
        # It may have ended while the program ran; 0 would be all of our own group.
        if self._born is not None and self.runs:
            self._born.press(button)

    def _processes(self) -> list[int]:
        """Return its processes, as the keeper sees them."""
        if not self.runs:
            return []
        space = Path(f"/proc/{self.pid}/ns/pid").readlink()
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "ns" / "pid").readlink() == space:
                    found.append(int(entry.name))
        return found

    def _open_log(self) -> int:
        log = self._storage.of(self.vm) / "console.log"
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _adopt(self, born: spawning.Newborn, log: int) -> None:
        self._born = born
        self._console = log
        self._ended.clear()
        loop = asyncio.get_running_loop()
        loop.add_reader(born.pidfd, self._buried)
        loop.add_reader(born.console, self._listen)

    def _listen(self) -> None:
        """Write what its console shows to its log, of which the last MiB is kept."""
        assert self._born is not None
        try:
            words = os.read(self._born.console, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            asyncio.get_running_loop().remove_reader(self._born.console)
            return
        try:
            self._keep(words)
        except OSError as error:
            # A full disk costs the console's words, and never the node's burial.
            _LOG.warning("the console of VM %s is not kept: %s", self.vm, error)

    def _keep(self, words: bytes) -> None:
        os.write(self._console, words)
        if os.fstat(self._console).st_size > _CONSOLE_BYTES:
            log = self._storage.of(self.vm) / "console.log"
            log.replace(log.with_suffix(".log.1"))
            fresh = self._open_log()
            os.close(self._console)
            self._console = fresh

    def _buried(self) -> None:
        """Take note of its end, and of how it came."""
        born = self._born
        assert born is not None
        loop = asyncio.get_running_loop()
        result = os.waitid(os.P_PIDFD, born.pidfd, os.WEXITED)
        loop.remove_reader(born.pidfd)
        self._listen()
        loop.remove_reader(born.console)
        os.close(self._console)
        born.close()
        self._ended.set()
        if self._expected:
            return
        # reboot(2) in a namespace of processes ends its init by one of two signals.
        self.again = result is not None and result.si_status == signal.SIGHUP
        self._gone(self)


def _init_of(upper: Path, lower: Sequence[Path]) -> str:
    for layer in (upper, *lower):
        found = spawning.init_of(layer)
        if found:
            return found
    return ""


def _stopped(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] in "TtZX"
