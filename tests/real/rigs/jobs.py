"""Jobs that say themselves when and where they run, and a judge over what they said.

Each job tells a listener on the head that it began and that it ended: a run that Slurm
has quietly begun anew is seen, whatever Slurm says of it. Slurm's own word is the log
of `jobcomp/filetxt`. When farmctl asked for a VM's end is heard by a proxy in front of
OpenNebula, so that an end is held against what ran there at that moment.
"""

import shlex
import time
import xmlrpc.client
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lxml import etree
from proxy import Proxy

from farmctl.testing import OpenNebula

FOLDER = "/root/jobs"
COMPLETED = "/var/log/slurm/completed"

CONF = f"""\
    JobCompType=jobcomp/filetxt
    JobCompLoc={COMPLETED}
    SlurmdTimeout=20
    AuthInfo=cred_expire=20
"""
"""Lines of SLURM_CONF, for the farm's file. A requeued job waits for cred_expire."""

LISTENER = f"""\
import os, socketserver, sys, time

class Told(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self):
        line = self.rfile.readline().decode().strip()
        if line:
            said = f"{{time.time():.3f}} {{line}}\\n".encode()
            os.write(log, said)
            self.wfile.write(b"heard\\n")

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

log = os.open("{FOLDER}/runs", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
Server(("", 7070), Told).serve_forever()
"""

JOB = """\
#!/bin/bash
run="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}_${SLURM_ARRAY_TASK_ID:-0}"
run="$run $(hostname) $$.$RANDOM"
say() {
    until (
        exec 3<>/dev/tcp/HEAD/7070 && echo "$1 $run" >&3 &&
            read -r -t 5 heard <&3 && [ "$heard" = heard ]
    ) 2>/dev/null; do sleep 0.5; done
}
say began
sleep "$1"
say ended
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a job, as the job itself told it; no end is an infinite one."""

    job: str
    node: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An end of a VM that farmctl asked for."""

    at: float
    vm: int
    node: str


class Listening(Proxy):
    """OpenNebula's endpoint for farmctl; it hears whose end is asked for."""

    def __init__(self, target: str) -> None:
        self.ends: list[tuple[float, int]] = []
        super().__init__(target)

    def hears(self, method: str, body: bytes) -> None:
        if method != "one.vm.action":
            return
        (_, action, vm, *_), _ = xmlrpc.client.loads(body)
        if action.startswith("terminate"):
            self.ends.append((time.time(), vm))


class Queue:
    """The Slurm of one farm, as its users see it: from inside of its head."""

    def __init__(self, cloud: OpenNebula, proxy: Listening, farm: str) -> None:
        self.cloud, self.proxy, self.head = cloud, proxy, f"{farm}-head"
        self.submitted = 0

    def sh(self, line: str, *, check: bool = True, timeout: float = 60.0) -> str:
        """Run a line on the head, past SSH and farmctl."""
        ran = self.cloud.inside(
            self.head, "sh", "-c", line, check=False, timeout=timeout
        )
        assert ran.returncode == 0 or not check, f"{line}: {ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def prepare(self) -> None:
        """Have the listener listen, and lay the job's script there."""
        job, listener = JOB.replace("HEAD", self.head), LISTENER
        self.sh(
            f"mkdir -p {FOLDER} && touch {FOLDER}/runs "
            f"&& printf %s {shlex.quote(job)} >{FOLDER}/job "
            f"&& printf %s {shlex.quote(listener)} >{FOLDER}/listener.py "
            f"&& (setsid python3 {FOLDER}/listener.py </dev/null >/dev/null 2>&1 &)"
        )

    def submit(self, *jobs: tuple[int, int, str]) -> None:
        """Submit jobs: how many of each, their seconds, and what else sbatch is told.

        With --array so many tasks are one job.
        """
        lines = []
        for count, seconds, more in jobs:
            array = f"--array=1-{count}" if "--array" in more else ""
            words = f"{more.replace('--array', '')} {array}"
            line = f"sbatch -Q -o /dev/null {words} {FOLDER}/job {seconds}"
            lines.append(line if array else f"for n in $(seq {count}); do {line}; done")
            self.submitted += count
        self.sh("set -e\n" + "\n".join(lines), timeout=120)

    def left(self) -> int:
        """Return how many jobs have not said yet that they ended."""
        done = {job for job, runs in self.runs().items() if _ended(runs)}
        return self.submitted - len(done)

    def runs(self) -> dict[str, list[Run]]:
        """Return the runs of each job."""
        began: dict[tuple[str, ...], float] = {}
        ended: dict[tuple[str, ...], float] = {}
        for line in self.sh(f"cat {FOLDER}/runs").splitlines():
            when, what, *run = line.split()
            said = began if what == "began" else ended
            said.setdefault(tuple(run), float(when))  # an answer lost is said again
        found: dict[str, list[Run]] = defaultdict(list)
        for run, when in sorted(began.items(), key=lambda each: each[1]):
            job, node, _ = run
            end = ended.get(run, float("inf"))
            found[job].append(Run(job=job, node=node, began=when, ended=end))
        return found

    def running(self) -> list[Run]:
        """Return what runs now."""
        last = [runs[-1] for runs in self.runs().values()]
        return [run for run in last if run.ended == float("inf")]

    def endings(self) -> list[Ending]:
        """Return whose end farmctl has asked for, and when."""
        found = []
        for at, vm in self.proxy.ends:
            info = etree.fromstring(self.cloud.call("one.vm.info", vm, False).encode())
            found.append(Ending(at=at, vm=vm, node=info.findtext("NAME", "")))
        return found

    def told_by_slurm(self) -> list[dict[str, str]]:
        """Return Slurm's log of what became of each of these jobs."""
        told = [
            dict(part.split("=", 1) for part in line.split() if "=" in part)
            for line in self.sh(f"cat {COMPLETED}").splitlines()
        ]
        return [each for each in told if each["Name"] == "job"]

    def wrong(self, *, killed: Collection[str] = ()) -> list[str]:
        """Say what was not as it should be, once all is done.

        Args:
            killed: jobs that ran on a node that something other than farmctl killed:
                they began a second time, and once only.
        """
        return [*self._runs_wrong(killed), *self._slurm_wrong(killed), *self._cut()]

    def _runs_wrong(self, killed: Collection[str]) -> list[str]:
        found, runs = [], self.runs()
        if len(runs) != self.submitted:
            found.append(f"{len(runs)} jobs ran, and {self.submitted} were submitted")
        for job, each in runs.items():
            times = 2 if job in killed else 1
            if len(each) != times:
                found.append(f"{job} began {len(each)} times: {each}")
            if sum(run.ended < float("inf") for run in each) != 1:
                found.append(f"{job} did not end once: {each}")
        return found

    def _slurm_wrong(self, killed: Collection[str]) -> list[str]:
        told = self.told_by_slurm()
        states = Counter(each["JobState"] for each in told)
        if states["COMPLETED"] != self.submitted:
            return [f"Slurm counts {dict(states)}"]
        others = sum(states.values()) - states["COMPLETED"]
        if others > len(killed):
            return [f"Slurm counts {dict(states)}, and {len(killed)} were killed"]
        return []

    def _cut(self) -> list[str]:
        """Return the ends of VMs that were asked for while a job ran there."""
        found = []
        spans: list[tuple[Run, float]] = []
        for runs in self.runs().values():
            later = [run.began for run in runs[1:]]
            # One that was killed ran until it began again at the latest.
            for run, again in zip(runs, [*later, float("inf")], strict=True):
                spans.append((run, min(run.ended, again)))
        for end in self.endings():
            found += [
                f"{end.node} (VM {end.vm}) was ended while {run.job} ran there"
                for run, until in spans
                if run.node == end.node and run.began <= end.at < until
            ]
        return found


def _ended(runs: Sequence[Run]) -> bool:
    return any(run.ended < float("inf") for run in runs)
