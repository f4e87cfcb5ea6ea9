"""Take the nodes of a plan up, or down, and stay with them until they are.

The main thread of a run lives here. Calls that change the cloud are made by the pool's
threads, one thread per call; the state of all nodes on their way is read with one call
per poll, however many they are. A node that fails is ended and made anew elsewhere
once, then put aside; all others go on.
"""

import concurrent.futures
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial

from farmctl.errors import CloudError, FarmctlError, NotPossibleError
from farmctl.model.nodes import Phase, VmState
from farmctl.model.steps import (
    AwaitNode,
    CreateNode,
    RemoveNode,
    ReplaceNode,
    StartNode,
)
from farmctl.model.view import Vm
from farmctl.reconcile import evidence
from farmctl.reconcile.breaker import Breaker
from farmctl.reconcile.items import Item, NodeStep, Stage
from farmctl.reconcile.nodes import Asked, Nodes, NotDeployedError
from farmctl.reconcile.progress import NodePhase, Retrying, StepStarted
from farmctl.reconcile.run import Run, UntriedError
from farmctl.reconcile.values import Result

_SHORTEST = 0.01
_ENDS = 3
_END_AGAIN = 15.0
"""Seconds after which a VM that was to end, and shows no sign of it, is told again."""


class BrokenImageError(FarmctlError):
    """Nodes of this image fail: no more of them are made in this run."""


class Watch:
    """The nodes of one run."""

    def __init__(
        self, run: Run, nodes: Nodes, breaker: Breaker, executor: Executor
    ) -> None:
        self._run = run
        self._nodes = nodes
        self._breaker = breaker
        self._executor = executor
        self._clock = run.world.clock
        self._tempo = run.world.tempo
        self._asking: dict[Future[Asked | str], tuple[Item, Callable[..., None]]] = {}
        self._items: list[Item] = []
        self._next_poll = 0.0

    @property
    def busy(self) -> bool:
        """Whether a thread still asks for something, or an old VM is still ending."""
        return bool(self._asking) or self.ending

    @property
    def ending(self) -> bool:
        """Whether a VM is on its way out, so that its address is not free yet."""
        return any(
            each.stage is Stage.ENDING
            or (each.stage is Stage.ASKING and each.vm_id >= 0 and each.ends > 0)
            for each in self._items
        )

    @property
    def waiting(self) -> bool:
        """Whether any node is not where it should be yet."""
        return bool(self._items)

    def begin(self, steps: Sequence[NodeStep]) -> None:
        """Begin some steps; those that end a VM are held against a second look."""
        refused = evidence.against_ending(self._run, steps, self._nodes)
        mine = self._run.view.farm(self._run.farm).vms
        aside = {vm.id for vm in mine if vm.mark.aside}
        working = evidence.may_have_jobs(self._run)
        for step in steps:
            now = self._clock.monotonic()
            item = Item.of(step, now=now)
            if item.vm_id in working:
                item.fresh = False
            told = StepStarted(step=step, subject=item.subject)
            self._run.world.progress.tell(told)
            reason = refused.get(id(step))
            if reason is not None:
                self._run.finish(
                    step, item.subject, Result.SKIPPED, reason=reason, began=now
                )
                continue
            self._items.append(item)
            match step:
                case CreateNode():
                    self._make(item)
                case ReplaceNode() | RemoveNode():
                    self._end(item, force=step.vm_id in aside)
                case StartNode(held=True):
                    deploy = partial(
                        self._nodes.deploy,
                        step.vm_id,
                        step.node,
                        avoid=self._run.options.shun,
                    )
                    self._ask(item, deploy, self._under_way)
                case StartNode():
                    start = partial(self._nodes.start, step.vm_id, step.node)
                    self._ask(item, start, self._under_way)
                case AwaitNode():
                    item.enter(Stage.COMING, now=now)

    def until(self, done: Callable[[], bool]) -> None:
        """Go on until `done` says so, or the run is stopped and no call is open."""
        while not done():
            self._run.heed()
            if self._run.stopped and not self._asking:
                return
            watched = [
                each
                for each in self._items
                if each.stage in {Stage.ENDING, Stage.COMING}
            ]
            now = self._clock.monotonic()
            if watched and now >= self._next_poll and not self._run.stopped:
                self._poll(watched)
                continue
            pause = max(0.0, self._next_poll - now) if watched else self._tempo.beat
            if not self._asking:
                self._clock.sleep(min(pause, self._tempo.poll_slowest))
                continue
            finished, _ = concurrent.futures.wait(
                self._asking,
                timeout=max(_SHORTEST, min(pause, self._tempo.poll_slowest)),
                return_when=concurrent.futures.FIRST_COMPLETED,
            )
            for future in finished:
                item, then = self._asking.pop(future)
                self._answered(item, future, then)

    def leave(self, reason: str) -> None:
        """Take note of the nodes that are not waited for any longer."""
        for item in list(self._items):
            result = Result.UNTRIED if item.stage is Stage.ASKING else Result.WAITING
            self._over(item, result, reason)

    def _ask(
        self, item: Item, action: Callable[[], Asked | str], then: Callable[..., None]
    ) -> None:
        item.enter(Stage.ASKING, now=self._clock.monotonic())
        self._asking[self._executor.submit(action)] = (item, then)

    def _answered(
        self, item: Item, future: "Future[Asked | str]", then: Callable[..., None]
    ) -> None:
        try:
            answer = future.result()
        except BrokenImageError as broken:
            result = Result.FAILED if item.reason else Result.SKIPPED
            self._over(item, result, f"{item.reason} {broken.message}".strip())
        except NotDeployedError as held:
            item.vm_id = held.vm_id
            self._over(item, Result.FAILED, _sentence(held))
        except FarmctlError as error:
            result = self._run.judge(error)
            reason = _sentence(error)
            if item.reason:
                reason = f"{item.reason} Then: {reason}"
            self._over(item, result, reason)
        else:
            then(item, answer)

    def _make(self, item: Item) -> None:
        spec = item.spec
        avoid = frozenset(item.avoid) | self._run.options.shun
        assert spec is not None

        def make() -> Asked:
            broken = self._breaker.image_is_broken(spec.image)
            if broken:
                raise BrokenImageError(broken)
            return self._nodes.make(spec, avoid=avoid)

        self._ask(item, make, self._under_way)

    def _end(self, item: Item, *, force: bool = False) -> None:
        item.ends += 1
        vm_id = item.vm_id

        def end() -> str:
            self._nodes.end(vm_id, force=force)
            return ""

        self._ask(item, end, self._going)

    def _under_way(self, item: Item, asked: Asked) -> None:
        item.vm_id, item.host_id, item.host = asked.vm_id, asked.host_id, asked.host
        item.ends = 0
        self._soon(item, Stage.COMING)

    def _going(self, item: Item, _: str) -> None:
        self._soon(item, Stage.ENDING)

    def _soon(self, item: Item, stage: Stage) -> None:
        now = self._clock.monotonic()
        item.enter(stage, now=now)
        soon = now + self._tempo.poll_fastest
        self._next_poll = min(max(self._next_poll, now), soon)

    def _poll(self, watched: Sequence[Item]) -> None:
        try:
            vms = self._run.world.cloud.vms(sorted({each.vm_id for each in watched}))
        except CloudError as error:
            self._run.stop(error)
            return
        shown = {vm.id: vm for vm in vms}
        for item in watched:
            vm = shown.get(item.vm_id)
            if vm is not None:
                self._look_at(item, vm)
            else:
                self._unseen(item)
        now = self._clock.monotonic()
        # A tenth of the time already waited is not noticed: quick nodes are asked
        # after often, slow ones seldom.
        youngest = min(now - item.since for item in watched)
        pause = max(self._tempo.poll_fastest, youngest / 10)
        self._next_poll = now + min(pause, self._tempo.poll_slowest)

    def _unseen(self, item: Item) -> None:
        """Give up on a VM that OpenNebula has not shown for long: nobody may see it."""
        age = self._clock.monotonic() - item.since
        ending = item.stage is Stage.ENDING
        deadline = self._run.world.site.deadlines.running
        if age > (self._tempo.busy * 2 if ending else deadline):
            self._over(
                item,
                Result.FAILED,
                f"OpenNebula no longer shows the VM {item.vm_id}; was it given to "
                "another user?",
            )

    def _look_at(self, item: Item, vm: Vm) -> None:
        if item.stage is Stage.ENDING:
            self._look_at_ending(item, vm)
            return
        now = self._clock.monotonic()
        shown = item.phase_of(vm)
        if vm.host:
            item.host_id, item.host = vm.host_id, vm.host
        if shown is not item.phase:
            item.phase = shown
            self._run.world.progress.tell(
                NodePhase(
                    name=item.subject,
                    phase=shown,
                    host=item.host,
                    seconds=now - item.began,
                )
            )
        if shown is Phase.READY:
            assert item.spec is not None
            self._breaker.ready(item.spec.image)
            self._over(item, Result.DONE, "")
            return
        trouble = item.trouble(vm, deadlines=self._run.world.site.deadlines, now=now)
        if trouble:
            self._failed(item, trouble)

    def _look_at_ending(self, item: Item, vm: Vm) -> None:
        age = self._clock.monotonic() - item.since
        if vm.state is VmState.GONE:
            if isinstance(item.step, RemoveNode):
                self._over(item, Result.DONE, "")
            else:
                item.vm_id, item.ends = -1, 0
                self._make(item)
            return
        stays = vm.state is not VmState.ENDING and age > _END_AGAIN
        if (vm.state is VmState.FAILED or stays) and item.ends < _ENDS:
            self._end(item, force=True)
        elif age > self._tempo.busy * 2:
            why = f" {vm.error}" if vm.error else ""
            self._over(
                item,
                Result.FAILED,
                f"The VM {vm.id} was told to end, and is still "
                f"{vm.state_name or vm.state.value} after {age:.0f} s.{why}",
            )

    def _failed(self, item: Item, reason: str) -> None:
        """Make a node anew elsewhere, once; then put it aside."""
        spec = item.spec
        assert spec is not None
        self._breaker.failed(spec.image, item.host_id)
        if not item.fresh:
            # It ran before: what is on its disk is not ours to throw away.
            self._over(item, Result.FAILED, f"{reason} It is left as it is.")
            return
        broken = self._breaker.image_is_broken(spec.image)
        # Who does not wait comes by again, and decides then what is made anew.
        if item.attempts == 0 and not broken and self._run.options.wait:
            item.attempts, item.reason = 1, reason
            if item.host:
                item.avoid.add(item.host)
            self._run.world.progress.tell(Retrying(subject=item.subject, reason=reason))
            self._run.world.journal.record(
                self._run.farm,
                "node made anew",
                because=reason,
                subject=item.subject,
                vm=item.vm_id,
                host=item.host,
            )
            self._end(item, force=True)
            return
        if item.reason and item.reason != reason:
            reason = f"{item.reason} Made anew elsewhere: {reason}"
        item.reason = f"{reason} {broken}".strip()
        vm_id, attempts = item.vm_id, spec.attempts + item.attempts
        self._ask(
            item,
            lambda: self._nodes.put_aside(vm_id, reason, attempts),
            self._aside,
        )

    def _aside(self, item: Item, said: str) -> None:
        self._over(item, Result.ASIDE, f"{item.reason} {said}")

    def _over(self, item: Item, result: Result, reason: str) -> None:
        self._items.remove(item)
        item.stage = Stage.OVER
        self._run.finish(
            item.step,
            item.subject,
            result,
            reason=reason,
            began=item.began,
            vm=item.vm_id,
            host=item.host,
        )


def _sentence(error: FarmctlError) -> str:
    if isinstance(error, UntriedError | NotPossibleError):
        return str(error)
    return f"{error.message} {error.hint}".strip()
