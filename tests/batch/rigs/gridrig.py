"""A real GridEngine on machines of this one: qmaster, execution hosts, real jobs."""

import os
import re
import subprocess
import time
from pathlib import Path

from batchnodes import Machine, Machines, until

from farmctl.batch.commands import OnThisMachine
from farmctl.batch.gridengine import GridEngine

PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qconf", "qhost", "qstat", "qmod")
SLOTS = 4
SHARED = Path("/var/lib/gridengine")
SPOOLING = Path("/usr/lib/gridengine")
DEFAULTS = Path("/usr/share/gridengine")

ENVIRONMENT_OF = """\
pe_name {name}
slots 9999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule {rule}
control_slaves TRUE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""
HOST = """\
hostname {name}
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
"""


class GridRig:
    """GridEngine in a scratch folder, without execution hosts at first."""

    def __init__(self, folder: Path, workers: int, *, pool: str = "wn") -> None:
        self.folder = folder
        root = folder / "root"
        common = root / "default" / "common"
        common.mkdir(parents=True)
        for name in ("bin", "lib", "utilbin", "util"):
            (root / name).symlink_to(SHARED / name)
        for name in ("qmaster", "execd", "spooldb", "log"):
            (folder / name).mkdir()
        (common / "act_qmaster").write_text("head\n")
        (common / "cluster_name").write_text("farm\n")
        bootstrap = (DEFAULTS / "default-bootstrap").read_text()
        spool = "/var/spool/gridengine"
        (common / "bootstrap").write_text(bootstrap.replace(spool, str(folder)))
        settings = (DEFAULTS / "default-configuration").read_text()
        settings = settings.replace(spool, str(folder))
        settings = settings.replace("00:00:40", "00:00:01")  # load_report_time
        settings = settings.replace("00:05:00", "00:00:05")  # max_unheard
        # Accounting is written at once, not up to 15 s after the job has gone.
        now = "accounting_flush_time=00:00:00"
        settings = settings.replace("flush_time=00:00:15", f"flush_time=00:00:15 {now}")
        (folder / "configuration").write_text(settings)
        self.environment = {
            "SGE_ROOT": str(root),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": "6444",
            "SGE_EXECD_PORT": "6445",
            "SGE_ND": "1",  # stay in the foreground
        }
        subprocess.run(["chown", "-R", "sgeadmin:sgeadmin", str(folder)], check=True)
        self._spool()
        self.machines = Machines(folder, workers, pool=pool)
        self.head = self.machines.head
        self.nodes: dict[int, Machine] = {}
        self.start_master()
        self._configure()

    def _spool(self) -> None:
        resources = DEFAULTS / "util" / "resources"
        for program, *arguments in (
            ("spoolinit", "berkeleydb", "libspoolb", self.folder / "spooldb", "init"),
            ("spooldefaults", "configuration", self.folder / "configuration"),
            ("spooldefaults", "complexes", resources / "centry"),
            ("spooldefaults", "usersets", resources / "usersets"),
            ("spooldefaults", "managers", "sgeadmin"),
        ):
            subprocess.run(
                [
                    "setpriv", "--reuid=sgeadmin", "--regid=sgeadmin", "--clear-groups",
                    str(SPOOLING / program), *map(str, arguments),
                ],
                check=True,
                capture_output=True,
                env={**os.environ, **self.environment},
            )  # fmt: skip

    def start_master(self) -> None:
        """Start the qmaster and wait until it answers."""
        self.master = self.head.start(
            self.folder / "log" / "qmaster", "sge_qmaster", **self.environment
        )
        until(lambda: self.do("qconf", "-sh").startswith("head"), what="the qmaster")

    def stop_master(self) -> None:
        """End the qmaster at once."""
        for pid in self.head.run("pgrep", "-x", "sge_qmaster").split():
            self.head.run("kill", "-9", pid)
        self.master.wait()

    def _file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _configure(self) -> None:
        self.do("qconf", "-as", "head")
        group = self._file("group", "group_name @allhosts\nhostlist NONE\n")
        self.do("qconf", "-Ahgrp", group)
        for name, rule in (("smp", "$pe_slots"), ("mpi", "$fill_up"), ("pairs", "2")):
            text = ENVIRONMENT_OF.format(name=name, rule=rule)
            self.do("qconf", "-Ap", self._file(f"pe-{name}", text))
        queue = {
            "qname": "all.q", "hostlist": "@allhosts", "pe_list": "smp mpi pairs",
            "slots": str(SLOTS), "shell": "/bin/sh", "load_thresholds": "NONE",
            "rerun": "TRUE",
        }  # fmt: skip
        lines = []
        for line in self.do("qconf", "-sq").splitlines():
            name = line.split()[0]
            lines.append(f"{name} {queue[name]}" if name in queue else line)
        self.do("qconf", "-Aq", self._file("queue", "\n".join(lines) + "\n"))
        scheduler = []
        for line in self.do("qconf", "-ssconf").splitlines():
            name = line.split()[0]
            fast = {"schedule_interval": "0:0:1", "flush_submit_sec": "1"}
            scheduler.append(f"{name} {fast[name]}" if name in fast else line)
        text = "\n".join(scheduler) + "\n"
        self.do("qconf", "-Msconf", self._file("scheduler", text))

    def do(self, *command: str) -> str:
        """Run a program in the head; return what it wrote, also of its failure."""
        if self.master.poll() is not None:
            raise RuntimeError(f"the qmaster ended with {self.master.returncode}")
        return self.head.run(*command, check=False, **self.environment)

    def submit(self, *options: str, run: tuple[str, ...] = ("sleep", "0")) -> str:
        """Submit a job as a user and return its number."""
        # Without any host, qsub warns and fails, and has submitted the job.
        out = self.do(
            "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "qsub",
            "-b", "y", "-wd", "/tmp", "-o", "/dev/null", "-e", "/dev/null",
            *options, *run,
        )  # fmt: skip
        match = re.search(r"Your job(?:-array)? (\d+)", out)
        if match is None:
            raise RuntimeError(out)
        return match[1]

    def join(self, number: int) -> Machine:
        """Make a worker and wait until GridEngine hears it."""
        machine = self.machines.worker(number)
        self.nodes[number] = machine
        self.do("qconf", "-ah", machine.name)
        text = HOST.format(name=machine.name)
        self.do("qconf", "-Ae", self._file("host", text))
        self.do("qconf", "-aattr", "hostgroup", "hostlist", machine.name, "@allhosts")
        machine.start(
            self.folder / "log" / machine.name, "sge_execd", **self.environment
        )
        until(
            lambda: "lx-amd64" in self.do("qhost", "-h", machine.name),
            what=f"{machine.name} in GridEngine",
        )
        return machine

    def end(self, number: int) -> None:
        """End a worker as a power cut would."""
        self.nodes.pop(number).end()

    def system(self) -> GridEngine:
        """Return the adapter under test, on this GridEngine."""
        commands = OnThisMachine(before=self.head.inside, environment=self.environment)
        return GridEngine(commands, now=time.time)

    def close(self) -> None:
        """End all of it."""
        self.machines.close()
