"""A look at a large Slurm: 10,000 jobs and 1,000 nodes in the shape of recorded ones.

The floor is `json.loads` of the same bytes: what any reader of Slurm's JSON spends.
"""

import itertools
import json
import time
from pathlib import Path

from farmctl.batch.looks import MARK
from farmctl.batch.slurm import Slurm
from farmctl.model.guests import Ran

JOBS, NODES, OWNERS = 10_000, 1_000, 40
RUNNING = 2_000
RECORDED = Path(__file__).parents[1] / "batch" / "answers" / "slurm-22.05.txt"


def look() -> list[str]:
    """Return the parts of a look."""
    parts = RECORDED.read_text().split(f"\n{MARK}\n")[:-1]
    nodes, jobs = json.loads(parts[3]), json.loads(parts[4])
    waits = [each for each in jobs["jobs"] if each["job_state"] == "PENDING"]
    runs = next(each for each in jobs["jobs"] if each["job_state"] == "RUNNING")
    single = itertools.cycle([e for e in waits if not e["array_task_string"]])
    many = []
    for number in range(JOBS):
        job = runs if number < RUNNING else next(single)
        change = {
            "job_id": 100_000 + number,
            "user_name": f"user{number % OWNERS}",
            "submit_time": job["submit_time"] + number,
            "priority": 4_294_900_000 - number,
        }
        if number < RUNNING:
            change["nodes"] = f"wn-{number % NODES:04d}"
        many.append({**job, **change})
    jobs["jobs"] = many
    nodes["nodes"] = [
        {**nodes["nodes"][0], "name": f"wn-{number:04d}"} for number in range(NODES)
    ]
    parts[3], parts[4] = json.dumps(nodes, indent=2), json.dumps(jobs, indent=2)
    return parts


def measure(rounds: int) -> tuple[float, float, float]:
    """Return the least processor seconds of a sample and of the floor, and the MB."""
    parts = look()
    text = "".join(f"{part}\n{MARK}\n" for part in parts)

    class Answers:
        """Gives the look, or the version."""

        def run(self, command: list[str], *, timeout: float) -> Ran:
            """Answer at once."""
            version = command[-1] == "--version"
            return Ran(status=0, out="slurm 22.05.8" if version else text, err="")

    slurm = Slurm(Answers(), now=time.time)
    ours, floor = [], []
    for _ in range(rounds):
        began = time.process_time()
        json.loads(parts[3])
        json.loads(parts[4])
        floor.append(time.process_time() - began)
        began = time.process_time()
        sample = slurm.sample()
        ours.append(time.process_time() - began)
    running = sum(len(node.work) for node in sample.nodes)
    if (len(sample.nodes), running) != (NODES, RUNNING):
        raise SystemExit(f"{len(sample.nodes)} nodes and {running} jobs were read")
    return min(ours), min(floor), len(text) / 1e6
