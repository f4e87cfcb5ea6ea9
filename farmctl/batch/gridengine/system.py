"""GridEngine as the port wants it.

GridEngine keeps no reason for a disabled queue. The hosts that we drain are therefore
put into the host group `@farmctl_drained` first: what is disabled and not in it was
disabled by a person. Nor does it keep since when a host is idle; that is remembered
here from look to look, and begins anew with the process.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from lxml import etree

from farmctl.batch import names
from farmctl.batch.commands import Commands
from farmctl.batch.gridengine import hosts, queue
from farmctl.batch.gridengine.hosts import Element, Host
from farmctl.batch.looks import PART, parts
from farmctl.batch.port import Outcome
from farmctl.batch.remembered import Remembered
from farmctl.errors import (
    BatchAnswerError,
    BatchAwayError,
    BatchRefusedError,
    WrongBatchError,
)
from farmctl.model.guests import Ran
from farmctl.model.sample import Drainer, Sample

OURS = "@farmctl_drained"
"""The host group of what we drained."""

_LOOK = f"""{PART}
environments() {{
  for name in $(qconf -spl 2>/dev/null); do
    qconf -sp "$name" || return 1
  done
}}
ours() {{ qconf -shgrp_resolved '{OURS}' 2>/dev/null || true; }}
part qconf -help &&
part environments &&
part ours &&
part qhost -q -j -xml &&
part qstat -u '*' -s h -xml &&
part qstat -u '*' -s p -r -xml
"""
_GROUP = "group_name {name}\nhostlist NONE\n"
_AWAY = ("unable to send message to qmaster", "commlib error", "can't reach qmaster")
_HERE = ("already exists", "already defined")
_NOT_FOUND = 127


class GridEngine:
    """The GridEngine of one farm.

    Args:
        commands: Where its programs run; the user there must be a manager.
        now: The clock; samples carry its time.
        timeout: Seconds for one command.
    """

    def __init__(
        self, commands: Commands, *, now: Callable[[], float], timeout: float = 60.0
    ) -> None:
        self._commands = commands
        self._now = now
        self._timeout = timeout
        self._times = Remembered()

    def check(self) -> str:
        return self.sample().system

    def sample(self) -> Sample:
        taken = self._now()
        version, rules, ours, shown, held, pending = self._look()
        running = {
            work.job.partition("_")[0] for host in shown.values() for work in host.work
        }
        waits, others = queue.waiting(
            pending,
            rules=rules,
            late=held,
            running=frozenset(running),
        )
        times = self._times.see(
            {name: bool(host.work or host.used) for name, host in shown.items()}, taken
        )
        nodes = tuple(
            hosts.sampled(
                shown[name],
                ours,
                joined=times[name][0],
                idle_since=times[name][1],
                now=taken,
            )
            for name in sorted(shown)
        )
        return Sample(
            taken=taken, waiting=waits, held=others, nodes=nodes, system=version
        )

    def drain(self, nodes: Sequence[str], reason: str) -> Outcome:  # noqa: ARG002  # GridEngine keeps none
        wanted = names.valid(nodes)
        _, _, ours, shown, _, _ = self._look()
        outcome: dict[str, str] = {}
        for name in wanted:
            host = shown.get(name)
            if host is None or not host.queues:
                outcome[name] = "GridEngine does not know it, or it is in no queue"
            elif hosts.drained_by(host, ours) is Drainer.OTHERS:
                outcome[name] = "disabled already, and not by us"
            else:
                self._mark(name)
                self._do("qmod", "-d", f"*@{name}")
                outcome[name] = ""
        return outcome

    def undrain(self, nodes: Sequence[str]) -> Outcome:
        wanted = names.valid(nodes)
        _, _, ours, shown, _, _ = self._look()
        outcome: dict[str, str] = {}
        for name in wanted:
            host = shown.get(name)
            if host is None:
                outcome[name] = "GridEngine does not know it"
            elif hosts.drained_by(host, ours) is Drainer.OTHERS:
                outcome[name] = "disabled by somebody else"
            else:
                if host.disabled:
                    self._do("qmod", "-e", f"*@{name}")
                self._strike(name, OURS)
                outcome[name] = ""
        return outcome

    def forget(self, nodes: Sequence[str], *, ended: bool = False) -> Outcome:
        wanted = names.valid(nodes)
        _, _, ours, shown, _, _ = self._look()
        return {
            name: self._forget(shown[name], ours, ended=ended) if name in shown else ""
            for name in wanted
        }

    def _forget(self, host: Host, ours: frozenset[str], *, ended: bool) -> str:
        """Take one host out of everything; say why not."""
        busy = bool(host.work) or host.used > 0
        if not ended:
            if host.work:
                return f"works: job {host.work[0].job} of {host.work[0].owner}"
            if busy:
                return "works: GridEngine counts slots of it as taken"
            takes = hosts.drained_by(host, ours) is Drainer.NOBODY
            if takes and not host.lost and host.queues:
                return "takes work: drain it first"
        name = host.name
        if host.queues:
            self._mark(name)
            self._do("qmod", "-d", f"*@{name}")
        if busy:
            self._run("qmod", "-f", "-rq", f"*@{name}")
            left = self._look()[3].get(name)
            if left is not None and (left.work or left.used):
                return "GridEngine still ends what ran on it, and cannot queue it again"
        groups = self._judged(self._run("qconf", "-shgrpl")).split()
        for group in groups:
            self._strike(name, group)
        for each in host.queues:
            self._run("qconf", "-dattr", "queue", "hostlist", name, each)
        ran = self._run("qconf", "-de", name)
        if ran.status and "does not exist" not in ran.err + ran.out:
            return f"GridEngine keeps it: {_said(ran)}"
        self._run("qconf", "-ds", name)
        self._run("qconf", "-dh", name)
        return ""

    def _mark(self, name: str) -> None:
        """Put a host into our group, which is made when it is not there."""
        ran = self._run("qconf", "-aattr", "hostgroup", "hostlist", name, OURS)
        if ran.status and "does not exist" in ran.err + ran.out:
            text = _GROUP.format(name=OURS)
            script = (
                'file=$(mktemp) && printf "%s" "$1" >"$file" && qconf -Ahgrp "$file";'
                ' status=$?; rm -f "$file"; exit $status'
            )
            made = self._run("sh", "-c", script, "sh", text)
            if made.status and not any(each in made.err for each in _HERE):
                self._judged(made)
            ran = self._run("qconf", "-aattr", "hostgroup", "hostlist", name, OURS)
        if ran.status and not any(each in ran.err + ran.out for each in _HERE):
            self._judged(ran)

    def _strike(self, name: str, group: str) -> None:
        """Take a host out of a group, whether or not it is in it."""
        self._run("qconf", "-dattr", "hostgroup", "hostlist", name, group)

    def _look(
        self,
    ) -> tuple[
        str,
        Mapping[str, str],
        frozenset[str],
        dict[str, Host],
        frozenset[str],
        list[Element],
    ]:
        """Return version, rules, our drains, hosts, held jobs and pending jobs."""
        out = self._judged(self._run("sh", "-c", _LOOK))
        help_, environments, ours, listed, held, pending = parts(
            out, 6, system="GridEngine"
        )
        return (
            _version(help_),
            _rules(environments),
            frozenset(ours.split()),
            hosts.read(_tree(listed, "qhost").findall("host")),
            frozenset(
                each.findtext("JB_job_number") or ""
                for each in _tree(held, "job_info").iter("job_list")
            ),
            list(_tree(pending, "job_info").iter("job_list")),
        )

    def _do(self, *command: str) -> None:
        self._judged(self._run(*command))

    def _run(self, *command: str) -> Ran:
        environment = ("LC_ALL=C", "TZ=UTC")
        return self._commands.run(
            ["env", *environment, *command], timeout=self._timeout
        )

    def _judged(self, ran: Ran) -> str:
        if not ran.status:
            return ran.out
        said = _said(ran)
        if ran.status == _NOT_FOUND or "not found" in said:
            raise WrongBatchError(
                f"GridEngine's programs are not there: {said}",
                hint="Is the farm's batch system right, and its head configured?",
            )
        if any(each in said for each in _AWAY):
            raise BatchAwayError(f"GridEngine's qmaster does not answer: {said}")
        raise BatchRefusedError(f"GridEngine refuses: {said}")


def _said(ran: Ran) -> str:
    return " ".join(f"{ran.err} {ran.out}".split())[:300] or f"status {ran.status}"


def _tree(text: str, root: str) -> Element:
    """Return an answer's root element.

    Raises:
        BatchAnswerError: it is no XML, or another answer.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        tree = etree.fromstring(text.strip().encode(), parser)
    except etree.XMLSyntaxError as error:
        raise BatchAnswerError(
            f"GridEngine's answer is no XML: {error}",
            hint="Nothing is concluded from it; it is asked again.",
        ) from error
    if tree.tag != root:
        raise BatchAnswerError(f"GridEngine answered <{tree.tag}> and not <{root}>.")
    return tree


def _version(text: str) -> str:
    """Return `GridEngine 8.1.9` from what `qconf -help` begins with."""
    first = text.strip().partition("\n")[0]
    match = re.search(r"(SGE|GE|UGE|OGS/GE|AGE)\s+(\d+)\.(\d+)\S*", first)
    if match is None:
        raise WrongBatchError(f"{first[:80]!r} is no version of GridEngine.")
    if (int(match[2]), int(match[3])) < (6, 2):
        raise WrongBatchError(
            f"{match[0]} is too old: its answers were never read.",
            hint="farmctl reads GridEngine 6.2 and later, and is tested with 8.1.9.",
        )
    return f"GridEngine {match[0].split()[-1]}"


def _rules(text: str) -> dict[str, str]:
    """Return each parallel environment's allocation rule."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == "pe_name":
            name = value.strip()
        elif key == "allocation_rule" and name:
            found[name] = value.strip()
    return found
