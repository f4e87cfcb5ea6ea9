"""Run the commands of a build so that nothing of them can stay behind.

Each runs in mount and PID namespaces of its own: its mounts are seen by nobody else
and go with it, and whatever it started ends with it. In them the whole machine is
read-only but for the folder of the build, so that a package manager that mistakes the
machine for the tree fails instead of changing it. A command dies with the process that
called, even with `kill -9`, and holds the build's lock until it is dead.
"""

import collections
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from farmctl.errors import NotPossibleError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HEARD = 200
_TAIL = 12
_LONGEST_LINE = 300

OFFLINE = (
    "Could not resolve",
    "Temporary failure resolving",
    "Unable to connect",
    "Could not connect",
    "Connection timed out",
    "Connection failed",
    "Connection refused",
    "Network is unreachable",
    "No route to host",
    "Failed getting release",
    "Couldn't download",
)
FULL = ("No space left on device", "Disk quota exceeded", "Wrote only")


# Every mount but those of the kernel becomes read-only, the build's folder does not.
_CONTAIN = r"""
build=$1
shift
mount --rbind /tmp /tmp
mount --bind "$build" "$build"
while read -r _ where type _; do
    case $type in
        proc | sysfs | devpts | devtmpfs | cgroup | cgroup2 | mqueue) continue ;;
    esac
    where=$(printf '%b' "$where")
    [ "$where" != "$build" ] && [ "$where" != /tmp ] || continue
    mount -o remount,bind,ro "$where" 2>/dev/null || true
done </proc/self/mounts
if ! [ -w "$build" ] || touch /var/lib/dpkg/.farmctl 2>/dev/null; then
    echo "The machine cannot be shielded from the build."
    exit 1
fi
"""


class StepFailedError(Exception):
    """A command of a build failed; `lines` are the last that it said."""

    def __init__(self, message: str, *, lines: Sequence[str]) -> None:
        super().__init__(message)
        self.lines = tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs commands, each line of whose output goes to the log and to `heard`."""

    log: Path
    folder: Path
    """The build's folder: the only one that its commands can write to."""
    lock: int
    """Descriptor of the build's lock, inherited by every command."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        script: str,
        *arguments: str | Path,
        heard: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Run a shell script with arguments, contained.

        Raises:
            StepFailedError: it ended with another status than 0.
        """
        command = [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--mount", "--propagation", "private", "--ipc"),
            *("--pid", "--fork", "--kill-child", "--"),
            *("sh", "-eu", "-c", _CONTAIN + script, "farmctl"),
            *map(str, (self.folder, *arguments)),
        ]
        said = collections.deque[str](maxlen=_HEARD)
        self._note(f"+ {' '.join(map(str, arguments))}")
        with subprocess.Popen(  # noqa: S603 - our own scripts, arguments as data
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment(),
            pass_fds=(self.lock,),
            start_new_session=True,
            cwd="/",
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    said.append(line.rstrip("\n"))
                    self._note(said[-1])
                    heard(said[-1])
            except BaseException:
                # Ctrl-C: the namespace, and with it all that runs, goes first.
                process.send_signal(signal.SIGKILL)
                raise
        if process.returncode != 0:
            raise StepFailedError(f"status {process.returncode}", lines=said)

    def _note(self, line: str) -> None:
        # The log is on the disk that the build may fill: it then ends early.
        with (
            contextlib.suppress(OSError),
            self.log.open("a", encoding="utf-8") as log,
        ):
            log.write(f"{line}\n")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": _PATH,
            "LC_ALL": "C",
            "HOME": "/root",
            "DEBIAN_FRONTEND": "noninteractive",
            "DEBCONF_NONINTERACTIVE_SEEN": "true",
            **self.environment,
        }


def refusal(
    what: str, lines: Sequence[str], log: Path, *, failed: str, hint: str = ""
) -> NotPossibleError:
    """Return the error that tells why something cannot be made.

    Args:
        what: What was to be made.
        lines: What the command that failed said last.
        log: Where all that was said stands.
        failed: The step at which it failed.
        hint: What to do, where neither the disk nor the network is to blame.
    """
    text = "\n".join(lines)
    tail = [line[:_LONGEST_LINE] for line in lines if line.strip()][-_TAIL:]
    told = "\n".join(("", *(f"    {line}" for line in tail), ""))
    if any(sign in text for sign in FULL):
        message = f"{what} cannot be made: the disk of {log.parent} is full."
        hint = "Free some space and start again; what was made so far is removed."
    elif any(sign in text for sign in OFFLINE):
        message = f"{what} cannot be made: a package mirror does not answer."
        hint = (
            "Look whether this machine's `apt-get update` works, or give a root file "
            "system tarball as the image."
        )
    else:
        message = f"{what} cannot be made: {failed} failed."
        hint = hint or "Nothing of it is kept; the next start makes it again."
    return NotPossibleError(f"{message}{told}The whole log: {log}.", hint=hint)


def need_root(what: str) -> None:
    """Raise NotPossibleError unless this process may make device nodes and mounts."""
    if os.geteuid() != 0:
        raise NotPossibleError(
            f"{what} can be made by root only.",
            hint="Start it with sudo, or use the cloud's driver `dummy`.",
        )


def need_programs(wanted: Mapping[str, str]) -> None:
    """Raise NotPossibleError unless all programs are there; values name packages."""
    missing: Sequence[str] = [
        name for name in wanted if shutil.which(name, path=_PATH) is None
    ]
    if missing:
        packages = " ".join(sorted({wanted[name] for name in missing}))
        raise NotPossibleError(
            f"This machine has no {' and no '.join(missing)}.",
            hint=f"Install it: apt-get install {packages}",
        )


def need_space(folder: Path, megabytes: int, what: str) -> None:
    """Raise NotPossibleError unless the disk of `folder` has that many MB free."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise NotPossibleError(
            f"{what} takes {megabytes} MB, and the disk of {folder} has {free} MB "
            "free.",
            hint="Free some space, or put the cache elsewhere with XDG_CACHE_HOME.",
        )
