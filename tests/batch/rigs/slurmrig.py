"""A real Slurm on machines of this one: munge, slurmctld, dynamic nodes, real jobs."""

import os
import shutil
import time
from pathlib import Path

import batchnodes
from batchnodes import Machine, Machines, until

from farmctl.batch.commands import OnThisMachine
from farmctl.batch.slurm import Slurm

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol")
CORES, MEMORY = 4, 4000

CONF = """\
ClusterName=farm
SlurmctldHost=head
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
MaxNodeCount=64
ReturnToService=2
MpiDefault=none
SlurmdParameters=config_overrides
SlurmctldTimeout=30
SlurmdTimeout=30
MinJobAge=10
KillWait=2
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
GresTypes=gpu
Licenses=matlab:1
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=10 State=UP
PartitionName=few Nodes=ALL MaxNodes=2 State=UP
"""


class SlurmRig:
    """Slurm in a scratch folder, without nodes at first."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        folder.chmod(0o755)
        for name in ("state", "spool", "log"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(CONF.format(folder=folder))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.machines = Machines(folder, workers)
        self.head = self.machines.head
        self.nodes: dict[int, Machine] = {}
        self.head.start(
            folder / "log" / "munged", "munged", "--foreground", "--force",
            f"--key-file={key}", f"--socket={folder}/munge.sock",
            f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed",
            f"--log-file={folder}/log/munged",
        )  # fmt: skip
        until((folder / "munge.sock").exists, what="munge")
        self.start_controller()

    def start_controller(self) -> None:
        """Start slurmctld and wait until it answers."""
        self.controller = self.head.start(
            self.folder / "log" / "slurmctld", "slurmctld", "-D", **self.environment
        )
        until(lambda: "is UP" in self.do("scontrol", "ping"), what="slurmctld")

    def stop_controller(self) -> None:
        """End slurmctld; it saves its state, which it does not when it is killed."""
        self.do("scontrol", "shutdown", "slurmctld")
        self.controller.wait(batchnodes.WAIT)

    def do(self, *command: str) -> str:
        """Run a program in the head; return what it wrote, also of its failure."""
        if self.controller.poll() is not None:
            raise RuntimeError(f"slurmctld ended with {self.controller.returncode}")
        return self.head.run(*command, check=False, **self.environment)

    def submit(self, *options: str, wrap: str = "true") -> str:
        """Submit a job and return its number."""
        out = self.head.run(
            "sbatch", "--parsable", "--output=/dev/null", *options, f"--wrap={wrap}",
            **self.environment,
        )  # fmt: skip
        return out.strip()

    def join(self, number: int, features: str = "el9") -> Machine:
        """Make a worker and wait until Slurm shows it."""
        machine = self.machines.worker(number)
        self.nodes[number] = machine
        machine.start(
            self.folder / "log" / machine.name, "slurmd", "-D", "-b", "-Z", "--conf",
            f"CPUs={CORES} RealMemory={MEMORY} Feature={features}",
            **self.environment,
        )  # fmt: skip
        until(
            lambda: self.do("sinfo", "-hN", "-n", machine.name, "-o", "%T").startswith(
                ("idle", "mix", "alloc")
            ),
            what=f"{machine.name} in Slurm",
        )
        return machine

    def end(self, number: int) -> None:
        """End a worker as a power cut would."""
        self.nodes.pop(number).end()

    def system(self, *, timeout: float = 60.0) -> Slurm:
        """Return the adapter under test, on this Slurm."""
        commands = OnThisMachine(before=self.head.inside, environment=self.environment)
        return Slurm(commands, now=time.time, timeout=timeout)

    def close(self) -> None:
        """End all of it."""
        self.machines.close()


def programs_missing() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name in PROGRAMS if not shutil.which(name)]
