"""Slurm as the port wants it: one look is one command, a change is looked at again.

`jobs` and `nodes` make values of what is read here; `answers` says what counts as an
answer. A look is one small script, so that it costs one round trip to the head: it
reads the nodes before the jobs, so that a job which begins meanwhile is seen.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import sleep

from farmctl.batch import names
from farmctl.batch.commands import Commands
from farmctl.batch.looks import PART, parts
from farmctl.batch.port import OURS, Outcome
from farmctl.batch.slurm import answers, jobs, nodes
from farmctl.batch.slurm.answers import Record
from farmctl.errors import BatchAnswerError, BatchRefusedError, WrongBatchError
from farmctl.model.guests import Ran
from farmctl.model.sample import Drainer, Sample, Work

OLDEST = (22, 5)
"""The oldest Slurm whose JSON was read."""

_SCONTROL_JSON = (23, 2)
"""From here on sinfo's JSON is a summary, and scontrol lists the nodes."""

_LOOK = f"""{PART}
part id -un &&
part scontrol show config &&
part sinfo --noheader --all --format='%R|%a|%l|%s' &&
part $1 --json &&
part squeue --all --json
"""
_NODES_OLD = "sinfo --all"
_NODES = "scontrol --all show nodes"
_SEEN = 80
_LOOKS, _PAUSE = 6, 0.5
"""How often, and how many seconds apart, `forget` looks whether a job has ended."""


class Slurm:
    """The Slurm of one farm.

    Args:
        commands: Where Slurm's programs run.
        now: The clock; samples carry its time.
        timeout: Seconds for one command. Slurm's own programs try for about 30 s to
            reach slurmctld before they fail.
        pause: Waits between two looks while jobs of a node that is gone end.
    """

    def __init__(
        self,
        commands: Commands,
        *,
        now: Callable[[], float],
        timeout: float = 60.0,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._commands = commands
        self._pause = pause
        self._now = now
        self._timeout = timeout
        self._version: tuple[int, ...] | None = None

    def check(self) -> str:
        sample = self.sample()
        return sample.system

    def sample(self) -> Sample:
        taken = self._now()
        settings, partitions, listed, queue = self._look()
        read = jobs.read(
            queue, partitions, now=taken, memory_counts=_memory_counts(settings)
        )
        return Sample(
            taken=taken,
            waiting=read.waiting,
            held=read.held,
            nodes=nodes.read(listed, read.work, now=taken),
            system=f"Slurm {settings.get('SLURM_VERSION', '')}, "
            f"cluster {settings.get('ClusterName', '')}",
            up_since=_moment(settings.get("BOOT_TIME", "")),
        )

    def drain(self, nodes_: Sequence[str], reason: str) -> Outcome:
        wanted = names.valid(nodes_)
        said = OURS + _plain(reason)
        shown = self._nodes()
        outcome = {name: _drained(shown.get(name)) for name in wanted}
        todo = [
            name
            for name in wanted
            if name in shown and nodes.drained_by(shown[name]) is Drainer.NOBODY
        ]
        if todo:
            self._update(todo, "state=drain", f"reason={said}")
            shown = self._nodes()
            outcome |= {name: _drained(shown.get(name)) for name in todo}
        return outcome

    def undrain(self, nodes_: Sequence[str]) -> Outcome:
        wanted = names.valid(nodes_)
        shown = self._nodes()
        outcome = {name: _undrained(shown.get(name)) for name in wanted}
        todo = [
            name
            for name in wanted
            if name in shown and nodes.drained_by(shown[name]) is Drainer.US
        ]
        if todo:
            self._update(todo, "state=undrain")
            shown = self._nodes()
            outcome |= {name: _undrained(shown.get(name)) for name in todo}
        return outcome

    def forget(self, nodes_: Sequence[str], *, ended: bool = False) -> Outcome:
        wanted = names.valid(nodes_)
        shown, work = self._busy()
        outcome = {
            name: _kept(shown[name], work.get(name, ()), ended=ended)
            if name in shown
            else ""
            for name in wanted
        }
        todo = [name for name in wanted if name in shown and not outcome[name]]
        if ended and todo:
            self._update(todo, "state=down", f"reason={OURS}its VM has ended")
            for _ in range(_LOOKS):
                shown, work = self._busy()
                outcome |= {
                    name: _ends(shown[name], work.get(name, ()))
                    for name in todo
                    if name in shown
                }
                if not any(outcome[name] for name in todo):
                    break
                self._pause(_PAUSE)
            todo = [name for name in todo if not outcome[name]]
        if todo:
            self._delete(todo)
        return outcome

    def _delete(self, todo: Sequence[str]) -> None:
        """Strike nodes off the list, on which no job is, not even one that ends.

        Slurm 22.05 dies of a node that is deleted while a job of several nodes ends
        on it: `_kept` and `_ends` look for that.
        """
        ran = self._run(["scontrol", "delete", f"nodename={','.join(todo)}"])
        if ran.status and "invalid node name" not in ran.err.lower():
            answers.judged(ran, what=f"forget {', '.join(todo)}")

    def _busy(self) -> tuple[dict[str, Record], Mapping[str, tuple[Work, ...]]]:
        """Return the nodes by name, and the work on each."""
        _, partitions, listed, queue = self._look()
        read = jobs.read(queue, partitions, now=self._now())
        return {answers.text(each, "name"): each for each in listed}, read.work

    def _look(
        self,
    ) -> tuple[
        Mapping[str, str], Mapping[str, jobs.Partition], list[Record], list[Record]
    ]:
        """Return the settings, partitions, nodes and jobs, read in this order."""
        old = self._known() < _SCONTROL_JSON
        out = self._read(
            ["sh", "-c", _LOOK, "sh", _NODES_OLD if old else _NODES],
            what="show itself",
        )
        user, config, partitions, listed, queue = parts(out, 5, system="Slurm")
        settings = answers.settings(config)
        self._version = _version(settings.get("SLURM_VERSION", ""))
        _sees_all(user.strip(), settings)
        return (
            settings,
            _partitions(partitions),
            answers.records(listed, "nodes"),
            answers.records(queue, "jobs"),
        )

    def _nodes(self) -> dict[str, Record]:
        """Return the nodes as they are now, by name."""
        old = self._known() < _SCONTROL_JSON
        command = (_NODES_OLD if old else _NODES).split()
        out = self._read([*command, "--json"], what="show its nodes")
        return {
            answers.text(each, "name"): each for each in answers.records(out, "nodes")
        }

    def _known(self) -> tuple[int, ...]:
        """Return the version, asked for once: a look shows whether it still holds."""
        if self._version is None:
            out = self._read(["scontrol", "--version"], what="tell its version")
            self._version = _version(out)
        return self._version

    def _update(self, wanted: Sequence[str], *change: str) -> None:
        self._read(
            ["scontrol", "update", f"nodename={','.join(wanted)}", *change],
            what=f"change {', '.join(wanted)}",
        )

    def _read(self, command: Sequence[str], *, what: str) -> str:
        return answers.judged(self._run(command), what=what)

    def _run(self, command: Sequence[str]) -> Ran:
        return self._commands.run(
            ["env", *_ENVIRONMENT, *command], timeout=self._timeout
        )


_ENVIRONMENT = (
    "LC_ALL=C",
    "TZ=UTC",
    "SLURM_BITSTR_LEN=0",
    "SLURM_TIME_FORMAT=standard",
)
"""English words, UTC, and the tasks of a large array in full."""


def _version(text: str) -> tuple[int, ...]:
    """Return the version in `slurm-wlm 22.05.8`.

    Raises:
        WrongBatchError: there is none, or it is too old.
    """
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is None:
        raise WrongBatchError(
            f"{text.strip()[:_SEEN]!r} is no version of Slurm.",
            hint="Is `batch: slurm` right for this farm?",
        )
    version = tuple(int(each) for each in match.groups(default="0"))
    if version[:2] < OLDEST:
        raise WrongBatchError(
            f"Slurm {match[0]} is too old: its answers were never read.",
            hint="farmctl reads Slurm 22.05 and later.",
        )
    return version


def _sees_all(user: str, settings: Mapping[str, str]) -> None:
    """Refuse a queue of which Slurm shows this user only a part."""
    private = {each.strip() for each in settings.get("PrivateData", "").split(",")}
    owner = settings.get("SlurmUser", "").partition("(")[0]
    if private & {"jobs", "nodes"} and user not in {"root", owner}:
        raise BatchRefusedError(
            f"Slurm shows {user} only its own jobs (PrivateData).",
            hint="Log in to the head as root, or as SlurmUser.",
        )


def _memory_counts(settings: Mapping[str, str]) -> bool:
    """Tell whether memory is given away as cores are, as by `CR_Core_Memory`."""
    return "MEMORY" in settings.get("SelectTypeParameters", "").upper()


def _partitions(text: str) -> dict[str, jobs.Partition]:
    """Return sinfo's `name|up|limit|nodes` by name."""
    found: dict[str, jobs.Partition] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        fields = line.split("|")
        if len(fields) != 4:  # noqa: PLR2004  # as many as were asked for
            raise BatchAnswerError(f"{line[:_SEEN]!r} is no partition.")
        name, available, limit, size = fields
        last = size.rpartition("-")[2]
        found[name] = jobs.Partition(
            up=available == "up",
            seconds=_seconds(limit),
            nodes=int(last) if last.isdigit() else None,
        )
    return found


def _seconds(text: str) -> int | None:
    """Return the seconds of `7-00:00:00`, `10:00` or `infinite`."""
    days, dash, rest = text.rpartition("-")
    digits = [days or "0", *rest.split(":")]
    if not all(each.isdigit() for each in digits):
        return None
    parts = [int(each) for each in digits[1:]]
    while len(parts) < 3:  # noqa: PLR2004  # hours, minutes, seconds
        parts = [*parts, 0] if dash else [0, *parts]
    return ((int(digits[0]) * 24 + parts[0]) * 60 + parts[1]) * 60 + parts[2]


def _moment(text: str) -> float:
    """Return a time that Slurm wrote in UTC; 0 where it wrote none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _plain(reason: str) -> str:
    """Return a reason that Slurm keeps as it is: one line, printable, not too long."""
    return " ".join("".join(c if c.isprintable() else " " for c in reason).split())[
        :200
    ]


def _kept(record: Record, work: Sequence[Work], *, ended: bool) -> str:
    """Return why a node stays on the list, or nothing."""
    if "DYNAMIC_NORM" not in nodes.shown(record):
        return "slurm.conf names it, and only its file can forget it"
    if ended:
        return ""
    if work:
        return f"works: job {work[0].job} of {work[0].owner}"
    if answers.amount(record, "alloc_cpus") or "COMPLETING" in nodes.shown(record):
        return "works: Slurm counts cores of it as taken"
    if nodes.drained_by(record) is Drainer.NOBODY and not nodes.lost(record):
        return "takes work: drain it first"
    return ""


def _ends(record: Record, work: Sequence[Work]) -> str:
    """Return what Slurm still ends on a node that is down, or nothing."""
    if work:
        return f"Slurm still ends job {work[0].job} of {work[0].owner} there"
    if answers.amount(record, "alloc_cpus") or "COMPLETING" in nodes.shown(record):
        return "Slurm still ends a job there"
    return ""


def _drained(record: Record | None) -> str:
    if record is None:
        return "Slurm does not know it"
    match nodes.drained_by(record):
        case Drainer.US:
            return ""
        case Drainer.OTHERS:
            reason = answers.text(record, "reason") or "no reason given"
            return f"drained already, and not by us: {reason}"
        case Drainer.NOBODY:
            return f"Slurm did not drain it: it is {nodes.shown(record)}"


def _undrained(record: Record | None) -> str:
    if record is None:
        return "Slurm does not know it"
    match nodes.drained_by(record):
        case Drainer.NOBODY:
            return ""
        case Drainer.OTHERS:
            reason = answers.text(record, "reason") or "no reason given"
            return f"drained by somebody else: {reason}"
        case Drainer.US:
            return f"Slurm did not take the drain back: it is {nodes.shown(record)}"
