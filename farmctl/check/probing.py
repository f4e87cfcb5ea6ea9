"""Probing a farm: everything is asked side by side, and judged when all has come.

What is asked and what the answers mean stands in the modules of the same room; this one
knows what may run at once, and that each question ends in time. Nothing is changed in
the cloud or in a node.
"""

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock

from farmctl.check import asking, clouds, inside, neighbours, nodes, ports, routers
from farmctl.check.direct import Inner, enter
from farmctl.check.expected import Expected
from farmctl.check.inside import Clock, Unasked
from farmctl.check.knocking import Answer, Witness, knock
from farmctl.check.seen import Seen
from farmctl.check.values import (
    Finding,
    Probe,
    Progress,
    Report,
    fault,
    good,
    unseen,
)
from farmctl.context import routers as router_files
from farmctl.errors import FarmctlError
from farmctl.model.guests import Guest, Shell
from farmctl.model.nodes import Role
from farmctl.model.sample import Sample
from farmctl.model.steps import Plan

AT_ONCE = 16
"""Nodes that are asked at once; each takes seconds, and the router's sshd a process."""

SAMPLE = 200
"""Ports that are tried besides the well-known: one in 300, others each time."""

_PAIRS = 4
_INSIDE = frozenset(
    {
        Probe.LOGIN,
        Probe.ROUTER,
        Probe.ADDRESS,
        Probe.NAMES,
        Probe.OUTWARD,
        Probe.TIME,
        Probe.SIZE,
        Probe.ISOLATION,
        Probe.SPOOFING,
        Probe.STRANGERS,
    }
)
_LOOKED = _INSIDE - {Probe.LOGIN, Probe.SPOOFING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a check has to probe with.

    `shell`: the way into the nodes, None if there is none, and then `why_not` says why.
    `sample`: reads the batch system, None if the farm has none. `plan`: draws what
    separates the cloud from the declared farm.
    """

    shell: Shell | None
    why_not: FarmctlError | None = None
    sample: Callable[[], Sample] | None = None
    plan: Callable[[], Plan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What whoever asks may choose.

    `outside`: a name that only name servers outside know. `echo`: host, port and path
    of an HTTP service outside that answers with its caller's address. `every_port`:
    knock at all 65,535 instead of the well-known and a sample.
    """

    wanted: frozenset[Probe] = frozenset(Probe)
    outside: str = ""
    echo: tuple[str, int, str] | None = None
    every_port: bool = False


def probe(
    expected: Expected, means: Means, choice: Choice, *, report: Progress
) -> Report:
    """Probe a farm and return all that was found.

    Nothing is raised for what cannot be reached: that is a fault, or not checked.
    """
    began, at = time.monotonic(), time.time()
    found = _Probing(expected=expected, means=means, choice=choice, say=report).run()
    order = {each: number for number, each in enumerate(Probe)}
    return Report(
        farm=expected.farm.name,
        site=expected.site.name,
        at=at,
        seconds=time.monotonic() - began,
        findings=tuple(sorted(found, key=lambda each: order[each.probe])),
        left_out=tuple(each for each in Probe if each not in choice.wanted),
    )


@dataclass(kw_only=True)
class _Probing:
    """One check under way."""

    expected: Expected
    means: Means
    choice: Choice
    say: Progress
    clocks: dict[str, Clock | None] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    reasons: dict[str, Unasked] = field(default_factory=dict)
    router_said: Mapping[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    done: int = 0

    @property
    def _outside(self) -> str:
        """The name outside to ask for; none in a farm that has no way out."""
        return self.choice.outside if self.expected.values.wan else ""

    def run(self) -> list[Finding]:
        wanted = self.choice.wanted
        findings: list[Finding] = []
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as pool:
            knocking = pool.submit(self._knock) if Probe.PORTS in wanted else None
            planning = pool.submit(self._plan) if Probe.PLAN in wanted else None
            sampling = pool.submit(self._batch) if Probe.BATCH in wanted else None
            if wanted & _INSIDE:
                findings += self._inside(pool)
            for each in (planning, sampling):
                findings += [] if each is None else each.result()
            if knocking is not None:
                findings += self._ports(knocking)
        if Probe.READY in wanted:
            findings += clouds.ready(self.expected)
        return [each for each in findings if each.probe in wanted]

    # From the cloud

    def _plan(self) -> list[Finding]:
        try:
            return list(clouds.plan(self.means.plan()))
        except FarmctlError as error:
            return [fault(Probe.PLAN, "", error.message, hint=error.hint)]

    def _batch(self) -> list[Finding]:
        if self.means.sample is None:
            if self.expected.farm.batch is None:
                return []
            why = self.means.why_not
            told = "nothing reads it" if why is None else why.message
            return [unseen(Probe.BATCH, "", told, hint="" if why is None else why.hint)]
        try:
            return list(clouds.batch(self.expected, self.means.sample()))
        except FarmctlError as error:
            return [fault(Probe.BATCH, "head", error.message, hint=error.hint)]

    # From outside

    def _knock(self) -> tuple[Mapping[int, Answer], Inner]:
        public = self.expected.public_address
        if not public:
            return {}, Inner(why_not="no router with a public address runs")
        every = range(1, 65_536)
        drawn = every if self.choice.every_port else random.sample(every, SAMPLE)
        tried = ports.to_try(self.expected, drawn)
        answers = knock(
            [(public, port) for port in tried],
            report=lambda done: self.say("ports", done, len(tried)),
        )
        inner = enter(public, ports.inner_to_try(self.expected))
        return {port: answers[public, port] for port in tried}, inner

    def _ports(
        self, knocking: "Future[tuple[Mapping[int, Answer], Inner]]"
    ) -> Iterator[Finding]:
        router = self.expected.router
        reached = router is not None and router.name in self.clocks
        if self.expected.values.wan is not None:
            outer, inner = knocking.result()
            yield from ports.judge(self.expected, outer, inner, reached=reached)

    # From inside

    def _inside(self, pool: ThreadPoolExecutor) -> Iterator[Finding]:
        shell, expected = self.means.shell, self.expected
        if shell is None:
            why = self.means.why_not
            told = "nobody can log in" if why is None else why.message
            hint = "" if why is None else why.hint
            for each in (e for e in Probe if e in self.choice.wanted & _INSIDE):
                yield unseen(each, "", told, hint=hint)
            return
        witness = self._witness()
        try:
            self._ask(shell, pool, witness)
            yield from self._logins()
            yield from self._router()
            first = next((each.name for each in self._able()), "")
            for guest in expected.behind:
                yield from self._node(guest, witness, first=guest.name == first)
            if not first and Probe.STRANGERS in self.choice.wanted:
                yield unseen(
                    Probe.STRANGERS, "", "no node behind the router lets us in"
                )
        finally:
            if witness is not None:
                witness.close()
        if Probe.ISOLATION in self.choice.wanted:
            tried = {each.name for each in self._able()[:2]}
            yield from neighbours.isolation(
                expected,
                {name: seen for name, seen in self.seen.items() if name in tried},
                {name: each.why for name, each in self.reasons.items()},
            )
        if Probe.SPOOFING in self.choice.wanted:
            yield from self._spoofing(shell, pool)

    def _witness(self) -> Witness | None:
        if not self.expected.here or Probe.OUTWARD not in self.choice.wanted:
            return None
        try:
            return Witness(self.expected.here)
        except OSError:
            return None

    def _ask(
        self, shell: Shell, pool: ThreadPoolExecutor, witness: Witness | None
    ) -> None:
        router = self.expected.router
        if router is not None:
            # First: the others lead through it.
            self._log_in(shell, router)
        away = router is not None and self.reasons.get(router.name)
        if away:
            for each in self.expected.behind:
                self.reasons[each.name] = Unasked(
                    "the router, which is on the way, does not let us in"
                )
            return
        if router is not None and Probe.ROUTER in self.choice.wanted:
            looking = [pool.submit(self._look_at_router, shell, router)]
        else:
            looking = []
        behind = self.expected.behind
        wait([pool.submit(self._log_in, shell, each) for each in behind])
        if self.choice.wanted & _LOOKED:
            looking += [
                pool.submit(self._look, shell, guest, number, witness)
                for number, guest in enumerate(self._able())
            ]
        for future in looking:
            future.result()

    def _able(self) -> list[Guest]:
        """Return the nodes behind the router that let us in, workers first.

        The first of them tries what one alone must try.
        """
        able = [each for each in self.expected.behind if each.name in self.clocks]
        return sorted(able, key=lambda each: each.role is not Role.WORKER)

    def _log_in(self, shell: Shell, guest: Guest) -> None:
        try:
            self.clocks[guest.name] = inside.log_in(shell, guest)
        except Unasked as why:
            self.reasons[guest.name] = why

    def _look(
        self, shell: Shell, guest: Guest, number: int, witness: Witness | None
    ) -> None:
        asked = asking.look(
            self.expected,
            guest,
            self.choice.wanted,
            number=number,
            outside=self._outside,
            home=None if witness is None else (*witness.target, guest.name),
            echo=self.choice.echo,
        )
        try:
            self.seen[guest.name] = inside.ask(shell, guest, asked)
        except Unasked as why:
            self.reasons[guest.name] = why
        with self.lock:
            self.done += 1
            self.say("nodes", self.done, len(self.expected.behind))

    def _look_at_router(self, shell: Shell, router: Guest) -> None:
        flavour = self.expected.farm.router.flavour
        try:
            self.router_said = inside.ask_router(
                shell, router, router_files.command(flavour), flavour
            )
        except Unasked as why:
            self.reasons[router.name] = why

    def _logins(self) -> Iterator[Finding]:
        for guest in self.expected.nodes:
            name, why = self.expected.short(guest.name), self.reasons.get(guest.name)
            if guest.name in self.clocks:
                known = "known by its host key"
                if not guest.host_key:
                    known = "believed, as it told OneGate no host key"
                yield good(Probe.LOGIN, name, f"lets us in, {known}")
                clock = self.clocks[guest.name]
                if clock is not None:
                    yield nodes.clock(
                        self.expected, guest.name, clock.offset, clock.uncertain
                    )
            elif why is not None and why.login:
                yield fault(Probe.LOGIN, name, why.why, hint=why.hint)
            elif why is not None:
                yield unseen(Probe.LOGIN, name, why.why, hint=why.hint)

    def _router(self) -> Iterator[Finding]:
        router = self.expected.router
        if Probe.ROUTER not in self.choice.wanted:
            return
        if router is None:
            yield fault(Probe.ROUTER, "", "no router runs")
        elif self.router_said:
            yield from routers.judge(self.expected, self.router_said)
        else:
            why = self.reasons.get(router.name)
            yield unseen(Probe.ROUTER, "", why.why if why else "it says nothing")

    def _node(
        self, guest: Guest, witness: Witness | None, *, first: bool
    ) -> Iterator[Finding]:
        name, wanted = guest.name, self.choice.wanted
        if name in self.seen:
            yield from nodes.judge(
                self.expected,
                guest,
                self.seen[name],
                wanted,
                first=first,
                outside=self._outside,
                caller=None if witness is None else witness.caller(name),
            )
            return
        why = self.reasons.get(name)
        if why is None:
            return
        for each in (Probe.ADDRESS, Probe.NAMES, Probe.OUTWARD, Probe.TIME, Probe.SIZE):
            yield unseen(each, self.expected.short(name), why.why, hint=why.hint)
        if first:
            yield unseen(Probe.STRANGERS, self.expected.short(name), why.why)

    def _spoofing(self, shell: Shell, pool: ThreadPoolExecutor) -> Iterator[Finding]:
        able = self._able()
        if len(able) < 2:  # noqa: PLR2004 - a pair
            yield unseen(
                Probe.SPOOFING, "", "it takes two nodes that let us in, and a worker"
            )
            return
        pairs = list(zip(able, [*able[1:], able[0]], strict=True))[:_PAIRS]
        asked = [pool.submit(self._spoof, shell, *pair) for pair in pairs]
        for number, each in enumerate(asked):
            self.say("odd frames", number, len(asked))
            yield each.result()

    def _spoof(self, shell: Shell, sender: Guest, listener: Guest) -> Finding:
        short = self.expected.short
        subject = f"{short(sender.name)} to {short(listener.name)}"
        marks = {kind: secrets.token_hex(8) for kind in asking.KINDS}
        with ThreadPoolExecutor(1, thread_name_prefix="listen") as other:
            hearing = other.submit(
                inside.ask, shell, listener, asking.listen(listener, marks)
            )
            try:
                sent = inside.ask(
                    shell, sender, asking.send(self.expected, sender, listener, marks)
                )
                heard = hearing.result()
            except Unasked as why:
                return unseen(Probe.SPOOFING, subject, why.why, hint=why.hint)
        return neighbours.spoofing(subject, sent, heard)
