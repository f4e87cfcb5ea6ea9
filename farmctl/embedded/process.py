"""Starting, finding and stopping the embedded cloud's server.

The server holds a lock on its directory as long as it lives, so what a dead one left
behind is never taken for a running one. Two starts at once make one server: the second
waits for the first. The password is in a 0600 file only, never on a command line.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from farmctl.embedded.netns import needs, survivors
from farmctl.embedded.settings import PRIVATE, Settings
from farmctl.errors import NotPossibleError

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_OURS = (
    "cloud.db",
    "cloud.db-wal",
    "cloud.db-shm",
    "one_auth",
    "endpoint.json",
    "endpoint.new",
    "ports.json",
    "settings.json",
    "server.log",
    "trees.json",
)
_OUR_FOLDERS = ("nodes", "images")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running embedded cloud, and how it is reached."""

    endpoint: str
    """XML-RPC's URL."""
    onegate: str
    """OneGate's URL."""
    auth_file: Path
    """The 0600 file with `oneadmin:PASSWORD`."""
    pid: int


def start(
    settings: Settings | None = None,
    *,
    say: Callable[[str], None] = lambda _line: None,
) -> Running:
    """Start the cloud in the background, and wait until it answers.

    Idempotent: where one runs in that directory already, it is returned as it is.

    Args:
        settings: how it is set up.
        say: told of what takes long, a line each.

    Raises:
        NotPossibleError: it does not come up; says why.
    """
    settings = settings or Settings()
    _make(settings.directory)
    with _locked(settings.directory / "start.lock"):
        running = status(settings)
        if running is not None and _answers(running, settings.directory):
            return running
        if settings.real:
            needs.fulfil(settings, say)
        _write_settings(settings)
        _spawn(settings)
        running = status(settings)
    if running is None:
        raise _failed(settings)
    return running


def status(settings: Settings | None = None) -> Running | None:
    """Return the cloud that runs in that directory, None where none does.

    Raises:
        NotPossibleError: one runs that another version of farmctl has started.
    """
    settings = settings or Settings()
    if not _alive(settings.directory):
        return None
    try:
        told = json.loads(settings.endpoint_file.read_text())
    except (OSError, ValueError):
        # Between taking the lock and telling the endpoint.
        return None
    try:
        return Running(
            endpoint=told["endpoint"],
            onegate=told["onegate"],
            auth_file=Path(told["auth_file"]),
            pid=int(told["pid"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotPossibleError(
            "The embedded cloud that runs was started by another version of farmctl.",
            hint="Stop it with that version, or end the process that holds "
            f"{settings.directory / 'server.lock'}.",
        ) from error


def stop(settings: Settings | None = None) -> bool:
    """Stop the cloud; what it holds is there again after the next start.

    Returns:
        Whether one was running.

    Raises:
        NotPossibleError: it does not stop.
    """
    settings = settings or Settings()
    if not settings.directory.exists():
        return False
    with _locked(settings.directory / "start.lock"):
        stopped = _stop(settings)
        survivors.end(settings.directory)
        return stopped


def reset(settings: Settings | None = None) -> None:
    """Stop the cloud and remove all that it holds, its password too.

    Raises:
        NotPossibleError: it does not stop.
    """
    settings = settings or Settings()
    if not settings.directory.exists():
        return
    with _locked(settings.directory / "start.lock"):
        _stop(settings)
        survivors.end(settings.directory)
        for name in _OURS:
            (settings.directory / name).unlink(missing_ok=True)
        for name in _OUR_FOLDERS:
            shutil.rmtree(settings.directory / name, ignore_errors=True)


def kill(settings: Settings | None = None) -> bool:
    """Kill the cloud at once, as a test of what it has kept.

    Returns:
        Whether one was running.
    """
    return _stop(settings or Settings(), (signal.SIGKILL,))


def _stop(
    settings: Settings,
    signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL),
) -> bool:
    running = status(settings)
    if running is None:
        return False
    for number in signals:
        try:
            os.kill(running.pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not _alive(settings.directory):
                return True
            # The lock is the only thing to wait for, and flock has no time-out.
            time.sleep(_POLL_SECONDS)
    raise NotPossibleError(
        f"The embedded cloud (process {running.pid}) does not stop.",
        hint="End that process yourself.",
    )


def _answers(running: Running, directory: Path) -> bool:
    """Say whether a server that holds the lock takes calls, or is just dying."""
    url = urlsplit(running.endpoint)
    deadline = time.monotonic() + _STOP_SECONDS
    while _alive(directory) and time.monotonic() < deadline:
        try:
            socket.create_connection((url.hostname, url.port), timeout=1.0).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return True
    return False


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotPossibleError(
            f"The embedded cloud cannot have {directory}: {error.strerror}.",
            hint="Set XDG_STATE_HOME to a directory that can be written.",
        ) from error


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _alive(directory: Path) -> bool:
    try:
        lock = (directory / "server.lock").open("r")
    except OSError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _write_settings(settings: Settings) -> None:
    descriptor = os.open(
        settings.settings_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE
    )
    try:
        with os.fdopen(descriptor, "w") as written:
            written.write(settings.to_json())
    except OSError as error:
        raise NotPossibleError(
            f"Cannot write {settings.settings_file}: {error.strerror}."
        ) from error


def _spawn(settings: Settings) -> None:
    reading, writing = os.pipe()
    log = settings.log_file.open("w")
    command = [sys.executable, "-m", "farmctl.embedded", str(settings.directory)]
    try:
        process = subprocess.Popen(  # noqa: S603  # our own module, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            env={**os.environ, "FARMCTL_READY_FD": str(writing)},
            start_new_session=True,
        )
    finally:
        os.close(writing)
        log.close()
    try:
        ready, _, _ = select.select([reading], [], [], _START_SECONDS)
        if ready and os.read(reading, 16):
            # It outlives us: it is not ours to wait for.
            process.returncode = 0
            return
        process.kill()
        process.wait()
    finally:
        os.close(reading)
    raise _failed(settings)


def _failed(settings: Settings) -> NotPossibleError:
    try:
        lines = settings.log_file.read_text().strip().splitlines()
    except OSError:
        lines = []
    reason = lines[-1].split(" farmctl.embedded ")[-1] if lines else "it says nothing"
    return NotPossibleError(
        f"The embedded cloud does not start: {reason}.",
        hint=f"Its log is {settings.log_file}.",
    )
