"""A batch system that is a small program: jobs, nodes and time, in one file.

It outlives whoever asks it, as a real one does, and several processes may ask it at
once. Its nodes are the cloud's VMs: a worker that the cloud shows ready registers, one
whose VM is gone loses its work. What became of each job is written down, so that a test
can say that every job ran once and no node with a job was ended.
"""

import fcntl
import json
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from farmctl.errors import BatchAwayError
from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample, Waiting, Work

UP = {VmState.RUNNING, VmState.MOVING}


class Pretend:
    """The batch system of one farm; `see` returns the farm's VMs as they are."""

    def __init__(self, path, farm, see, *, slots=1):
        self.path, self.farm, self.see, self.slots = Path(path), farm, see, slots
        if not self.path.exists():
            self._write({"jobs": [], "nodes": {}, "killed": [], "drains": 0})

    # What users do.

    def submit(self, count, seconds, slots=1, owner="ann"):
        now = time.time()
        with self._state() as state:
            first = len(state["jobs"])
            state["jobs"] += [
                {
                    "id": f"{first + n}",
                    "owner": owner,
                    "slots": slots,
                    "seconds": seconds,
                    "since": now,
                    "node": "",
                    "began": 0.0,
                    "ran": 0,
                    "done": False,
                }
                for n in range(count)
            ]

    def set(self, **values):
        """Let something go wrong, or right again.

        `fault` is how; `limits` are slots, by owner, that nobody is told of.
        """
        with self._state() as state:
            state.update(values)

    @property
    def state(self):
        with self._state() as state:
            return json.loads(json.dumps(state))

    @property
    def left(self):
        return sum(not job["done"] for job in self.state["jobs"])

    # The port.

    def check(self):
        return "Pretend 1"

    def sample(self):
        with self._state() as state:
            fault = state.get("fault", "")
            if fault == "hang":
                time.sleep(state.get("hangs", 5.0))
            if fault == "away":
                raise BatchAwayError("slurmctld does not answer.")
            now = time.time()
            nodes = [
                self._node(name, node, state, now)
                for name, node in sorted(state["nodes"].items())
            ]
            queue = [j for j in state["jobs"] if not j["done"] and not j["node"]]
        if fault == "empty":
            return Sample(taken=now)
        if fault == "no jobs":
            bare = [self._node(n.name, None, None, now) for n in nodes]
            return Sample(taken=now, nodes=tuple(bare))
        if fault == "few":
            nodes = nodes[: len(nodes) // 2]
        if fault == "aside":
            nodes = [replace(each, state=NodeState.ASIDE) for each in nodes]
        shapes = {}
        for job in queue:
            shapes.setdefault((job["owner"], job["slots"]), []).append(job["since"])
        return Sample(
            taken=now,
            waiting=tuple(
                Waiting(owner=owner, slots=slots, count=len(since), since=min(since))
                for (owner, slots), since in shapes.items()
            ),
            nodes=tuple(nodes),
            system="Pretend 1",
        )

    def drain(self, nodes, reason):
        with self._state() as state:
            for name in nodes:
                if name in state["nodes"]:
                    state["nodes"][name]["drained"] = reason
                    state["drains"] += 1
            return {n: "" if n in state["nodes"] else "unknown" for n in nodes}

    def undrain(self, nodes):
        with self._state() as state:
            for name in nodes:
                if name in state["nodes"]:
                    state["nodes"][name]["drained"] = ""
            return {n: "" if n in state["nodes"] else "unknown" for n in nodes}

    def forget(self, nodes, *, ended=False):
        with self._state() as state:
            for name in nodes:
                node = state["nodes"].pop(name, None)
                if node is not None:
                    self._requeue(state, name)
        return dict.fromkeys(nodes, "")

    # What goes on by itself.

    @contextmanager
    def _state(self):
        vms = self._vms()
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = json.loads(self.path.read_text())
            if vms is not None:
                self._advance(state, vms, time.time())
            yield state
            self._write(state)

    def _write(self, state):
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(self.path)

    def _vms(self):
        return {
            node_name(self.farm, Role.WORKER, vm.tag.pool, vm.tag.ordinal): vm
            for vm in self.see()
            if vm.tag and vm.tag.role is Role.WORKER and vm.state is not VmState.GONE
        }

    def _advance(self, state, vms, now):
        for name, node in state["nodes"].items():
            vm = vms.get(name)
            node["up"] = vm is not None and vm.id == node["vm"] and vm.state in UP
            if not node["up"]:
                self._requeue(state, name)
        for job in state["jobs"]:
            if job["node"] and not job["done"] and now >= job["began"] + job["seconds"]:
                job["done"] = True
                job["ran"] += 1
                node = state["nodes"].get(job["node"])
                if node is not None:
                    node["idle"] = job["began"] + job["seconds"]
        for name, vm in vms.items():
            fresh = name not in state["nodes"] or state["nodes"][name]["vm"] != vm.id
            joins = vm.reported_ready and vm.state in UP
            if fresh and joins and not state.get("nobody joins"):
                state["nodes"][name] = {
                    "vm": vm.id,
                    "up": True,
                    "joined": now,
                    "idle": now,
                    "drained": "",
                }
        for job in state["jobs"]:
            if job["done"] or job["node"] or self._limited(state, job):
                continue
            for name, node in sorted(state["nodes"].items()):
                if node["up"] and not node["drained"]:
                    busy = sum(w["slots"] for w in self._work(state, name))
                    if busy + job["slots"] <= self.slots:
                        job["node"], job["began"] = name, now
                        break

    @staticmethod
    def _limited(state, job):
        limit = state.get("limits", {}).get(job["owner"])
        runs = [
            other["slots"]
            for other in state["jobs"]
            if other["owner"] == job["owner"] and other["node"] and not other["done"]
        ]
        return limit is not None and sum(runs) + job["slots"] > limit

    def _requeue(self, state, name):
        for job in self._work(state, name):
            state["killed"].append({"job": job["id"], "node": name})
            job["node"], job["began"] = "", 0.0

    @staticmethod
    def _work(state, name):
        return [j for j in state["jobs"] if j["node"] == name and not j["done"]]

    def _node(self, name, node, state, now):
        if node is None:
            return NodeSample(
                name=name,
                pool="",
                slots=self.slots,
                state=NodeState.READY,
                since=now,
                joined=now,
                idle_since=now,
            )
        work = tuple(
            Work(job=j["id"], owner=j["owner"], slots=j["slots"], began=j["began"])
            for j in self._work(state, name)
        )
        shown = NodeState.DRAINING if node["drained"] else NodeState.READY
        return NodeSample(
            name=name,
            pool="",
            slots=self.slots,
            state=shown if node["up"] else NodeState.ASIDE,
            since=node["joined"],
            joined=node["joined"],
            idle_since=None if work else node["idle"],
            work=work,
            claimed=sum(each.slots for each in work),
            drained_by=Drainer.US if node["drained"] else Drainer.NOBODY,
            reason=f"farmctl: {node['drained']}" if node["drained"] else "",
        )
