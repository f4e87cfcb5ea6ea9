"""A farm whose batch system places work once in a while, and not all that it could."""

from dataclasses import replace
from math import inf

from farmctl.model.sample import (
    Drain,
    Drainer,
    End,
    Keep,
    NodeSample,
    NodeState,
    Sample,
    Start,
    Undrain,
    Waiting,
    Work,
)

BOOT, RUN, LOOK, SLOTS = 300.0, 600.0, 5.0, 4
FIRST = 1e6


class Site:
    """Nodes of four slots and the queue of pieces of one, in seconds since `FIRST`.

    `limits`: of how many slots an owner's work gets at once, which nobody tells.
    """

    def __init__(
        self, core, *, boot=BOOT, period=60.0, run=RUN, look=LOOK, limits=None
    ):
        self.core, self.boot, self.period = core, boot, period
        self.run, self.step = run, look
        self.limits = limits or {}
        self.now, self.nodes, self.queue, self.count = FIRST, [], [], 0
        self.starts, self.drained_beside_work, self.waits = [], 0, []
        self.said, self.slot_seconds = [], 0.0

    def submit(self, count, owner="ann"):
        self.queue += [(self.now, owner)] * count

    def goes_on(self, seconds):
        """Look again and again."""
        until = self.now + seconds
        while self.now < until:
            self.look()

    def look(self, after=None):
        """Let time pass, and do what is decided then."""
        self.now += self.step if after is None else after
        self._pass()
        if self.now % self.period < self.step:
            self._place()
        verdict = self.core.decide(self._sample())
        self.said = [
            *(each.because for each in verdict.decisions if isinstance(each, Keep)),
            *verdict.limits.values(),
        ]
        for decision in verdict.decisions:
            self._do(decision)
        return verdict

    def _do(self, decision):
        match decision:
            case Start():
                self.starts += [self.now] * decision.count
                for _ in range(decision.count):
                    self.count += 1
                    new = NodeSample(
                        name=f"wn-{self.count}",
                        pool="wn",
                        slots=SLOTS,
                        state=NodeState.BOOTING,
                        since=self.now,
                    )
                    self.nodes.append(new)
            case Drain():
                self.drained_beside_work += bool(self.queue)
                to = {"state": NodeState.DRAINING, "drained_by": Drainer.US}
                self._change(decision.node, **to)
            case Undrain():
                to = {"state": NodeState.READY, "drained_by": Drainer.NOBODY}
                self._change(decision.node, **to)
            case End():
                self.nodes = [n for n in self.nodes if n.name != decision.node]
            case _:
                pass

    def _sample(self):
        waiting = []
        for owner in dict.fromkeys(owner for _, owner in self.queue):
            since = [since for since, each in self.queue if each == owner]
            first, count = since[0], len(since)
            waiting.append(Waiting(owner=owner, slots=1, count=count, since=first))
        return Sample(taken=self.now, waiting=tuple(waiting), nodes=tuple(self.nodes))

    def _change(self, name, **values):
        self.nodes = [
            replace(node, **values) if node.name == name else node
            for node in self.nodes
        ]

    def _pass(self):
        for node in self.nodes:
            self.slot_seconds += self.step * node.slots
            booting = node.state is NodeState.BOOTING
            if booting and self.now - node.since >= self.boot:
                up = {"since": self.now, "joined": self.now, "idle_since": self.now}
                self._change(node.name, state=NodeState.READY, **up)
            left = tuple(work for work in node.work if self.now - work.began < self.run)
            if left != node.work:
                idle = None if left else self.now
                self._change(node.name, work=left, idle_since=idle)

    def _place(self):
        for node in self.nodes:
            free = node.slots - node.busy if node.state is NodeState.READY else 0
            taken = self._taken(free)
            if taken:
                self.waits += [self.now - since for since, _ in taken]
                work = tuple(
                    Work(
                        job=f"{self.now}-{node.name}-{at}",
                        owner=owner,
                        slots=1,
                        began=self.now,
                    )
                    for at, (_, owner) in enumerate(taken)
                )
                self._change(node.name, work=node.work + work, idle_since=None)

    def _taken(self, free):
        """Take so many pieces off the queue, as the owners' limits allow."""
        taken, rest, room = [], [], {}
        works = [work for node in self.nodes for work in node.work]
        for owner, limit in self.limits.items():
            room[owner] = limit - sum(work.owner == owner for work in works)
        for piece in self.queue:
            owner = piece[1]
            if len(taken) < free and room.get(owner, inf) > 0:
                taken.append(piece)
                room[owner] = room.get(owner, inf) - 1
            else:
                rest.append(piece)
        self.queue = rest
        return taken
