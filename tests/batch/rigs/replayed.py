"""Recorded answers of a batch system, given again without it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from farmctl.batch.looks import MARK
from farmctl.model.guests import Ran

ANSWERS = Path(__file__).parents[1] / "answers"
END = f"\n{MARK}\n"


def recorded(name: str) -> str:
    """Return a recorded look."""
    return (ANSWERS / f"{name}.txt").read_text()


def split(look: str) -> list[str]:
    """Return a look's parts."""
    return look.split(END)[:-1]


def joined(parts: Sequence[str]) -> str:
    """Return a look of these parts."""
    return "".join(part + END for part in parts)


class Replay:
    """Commands that answer with what `answer` returns for them, and are kept."""

    def __init__(self, answer: Callable[[list[str]], str | Ran]) -> None:
        self._answer = answer
        self.ran: list[list[str]] = []

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        """Answer."""
        words = [each for each in command if each != "env" and "=" not in each[:20]]
        self.ran.append(words)
        answer = self._answer(words)
        if isinstance(answer, Ran):
            return answer
        return Ran(status=0, out=answer, err="")


def later(value: object, *, key: str = "") -> object:
    """Return JSON of Slurm 22.05 as Slurm 24.05 writes it."""
    if isinstance(value, dict):
        found = {name: later(each, key=name) for name, each in value.items()}
        if "job_resources" in found and isinstance(value["job_resources"], dict):
            found["job_resources"] = _resources(value["job_resources"])
        if "state_flags" in found:
            states = [value["state"].upper(), *value["state_flags"]]
            found["state"] = states
            del found["state_flags"]
        return found
    if isinstance(value, list):
        return [later(each) for each in value]
    if key in _LISTS:
        return [each for each in str(value or "").split(",") if each]
    if key == "job_state":
        return [value]
    if key in _PLAIN or isinstance(value, str | bool):
        return value
    if value is None:
        return {"set": False, "infinite": False, "number": 0}
    return {"set": True, "infinite": False, "number": value}


def _resources(old: dict) -> dict:
    allocation = [
        {
            "index": at,
            "name": each["nodename"],
            "cpus": {
                "count": sum(
                    len(socket["cores"]) for socket in each["sockets"].values()
                ),
                "used": 0,
            },
            "memory": {"used": 0, "allocated": each["memory_allocated"]},
        }
        for at, each in enumerate(old["allocated_nodes"])
    ]
    return {
        "select_type": ["CPU", "MEMORY"],
        "nodes": {
            "count": len(allocation),
            "list": old["nodes"],
            "whole": False,
            "allocation": allocation,
        },
    }


_LISTS = frozenset({"shared", "active_features"})
_PLAIN = frozenset({"job_id", "cpus", "alloc_cpus", "real_memory", "alloc_memory"})


def as_later(look: str, version: str = "24.05.2") -> str:
    """Return a recorded look of 22.05 in the dialect of a later Slurm."""
    user, config, partitions, nodes, jobs = split(look)
    config = config.replace("22.05.8", version)
    return joined([
        user,
        config,
        partitions,
        json.dumps(later(json.loads(nodes))),
        json.dumps(later(json.loads(jobs))),
    ])  # fmt: skip
