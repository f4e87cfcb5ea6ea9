"""Carry a plan out: its waves in order, the steps of one wave at once.

Before a wave that changes objects, everything before it has been asked for and what was
to end has ended: a network cannot go while nodes are in it. Nodes that come up are not
waited for between waves, but at the end, all together.
"""

import concurrent.futures
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from farmctl.errors import FarmctlError
from farmctl.model.steps import (
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateObject,
    DeleteObject,
)
from farmctl.reconcile import inside, objects, retiring
from farmctl.reconcile.breaker import Breaker
from farmctl.reconcile.items import NodeStep
from farmctl.reconcile.nodes import Nodes
from farmctl.reconcile.places import Places
from farmctl.reconcile.progress import StepStarted, WaveStarted
from farmctl.reconcile.run import Run, subject_of
from farmctl.reconcile.values import Result
from farmctl.reconcile.watch import Watch

ObjectStep = CreateObject | ChangeObject | DeleteObject


def execute(run: Run) -> None:
    """Carry out the run's plan; what became of each step is in `run.outcomes()`.

    Returns when all is done, nothing more can be done, or the run was stopped; the
    calls that were under way have then ended. KeyboardInterrupt goes through, likewise
    after the calls under way.
    """
    executor = ThreadPoolExecutor(
        run.world.site.concurrency, thread_name_prefix=f"apply {run.farm}"
    )
    guests = ThreadPoolExecutor(1, thread_name_prefix=f"guests {run.farm}")
    try:
        _waves(run, executor, guests)
    except BaseException:
        run.abandon()
        raise
    finally:
        guests.shutdown(wait=True, cancel_futures=True)
        executor.shutdown(wait=True, cancel_futures=True)


def _waves(run: Run, executor: ThreadPoolExecutor, guests: ThreadPoolExecutor) -> None:
    breaker = Breaker()
    nodes = Nodes(run, Places(run, breaker))
    watch = Watch(run, nodes, breaker, executor)
    waves = run.plan.waves
    clock, timeout = run.world.clock, run.options.timeout
    ends = None if timeout is None else clock.monotonic() + timeout
    configuring: list[ConfigureNodes] = []
    for number, wave in enumerate(waves, start=1):
        things = [step for step in wave if isinstance(step, ObjectStep)]
        routers = [step for step in wave if isinstance(step, ChangeRouter)]
        configuring += [step for step in wave if isinstance(step, ConfigureNodes)]
        coming = [step for step in wave if isinstance(step, NodeStep)]
        if things:
            watch.until(lambda: not watch.busy)
        else:
            watch.until(lambda: not watch.ending)
        if run.stopped:
            break
        run.world.progress.tell(
            WaveStarted(number=number, waves=len(waves), steps=wave)
        )
        _change(run, executor, things)
        for router in routers:
            _stay(run, guests.submit(_router, run, router))
        if coming and not run.stopped:
            watch.begin(coming)
    watch.until(lambda: not watch.busy)
    _wait(run, watch, ends)
    _stay(run, guests.submit(_settle, run))
    for step in configuring:
        _stay(run, guests.submit(_configure, run, step, nodes, executor, ends))
    _stay(run, guests.submit(_retire, run))


def _wait(run: Run, watch: Watch, ends: float | None) -> None:
    clock = run.world.clock
    if not run.options.wait:
        watch.leave("It is on its way; nobody waits for it.")
        return
    watch.until(
        lambda: not watch.waiting or (ends is not None and clock.monotonic() >= ends)
    )
    late = f"It was not ready when {run.options.timeout or 0:g} s were over."
    watch.leave(run.stopped or late)


def _change(
    run: Run, executor: ThreadPoolExecutor, steps: Sequence[ObjectStep]
) -> None:
    """Carry out the steps on objects of one wave, and wait for them."""
    futures = [executor.submit(_one, run, step) for step in steps]
    for future in concurrent.futures.as_completed(futures):
        future.result()


def _one(run: Run, step: ObjectStep) -> None:
    began = run.world.clock.monotonic()
    subject = subject_of(step)
    if run.stopped:
        return
    if isinstance(step, DeleteObject):
        reason = objects.reason_to_keep(run, step)
        if reason:
            run.finish(step, subject, Result.SKIPPED, reason=reason, began=began)
            return
    if isinstance(step, ChangeObject):
        reason = inside.reason_to_leave(run, step)
        if reason:
            run.finish(step, subject, Result.SKIPPED, reason=reason, began=began)
            return
    run.world.progress.tell(StepStarted(step=step, subject=subject))
    try:
        objects.carry_out(run, step)
    except FarmctlError as error:
        result = run.judge(error)
        run.finish(step, subject, result, reason=str(error), began=began)
    else:
        run.finish(step, subject, Result.DONE, began=began)


def _stay(run: Run, future: Future[None]) -> None:
    """Stay with something that takes long, and take note of a wish to stop."""
    while not future.done():
        concurrent.futures.wait([future], timeout=_NOTICES)
        run.heed()
    future.result()


_NOTICES = 0.2
"""Seconds within which a wish to stop is noticed while a guest is worked on."""


def _router(run: Run, step: ChangeRouter) -> None:
    began = run.world.clock.monotonic()
    subject = subject_of(step)
    if run.stopped:
        return
    reason = inside.reason_to_wait(run, step) or retiring.before_forgetting(run, step)
    if reason:
        run.finish(step, subject, Result.SKIPPED, reason=reason, began=began)
        return
    run.world.progress.tell(StepStarted(step=step, subject=subject))
    try:
        inside.change_router(run, step)
    except FarmctlError as error:
        result = run.judge(error)
        run.finish(step, subject, result, reason=str(error), began=began)
    else:
        run.finish(step, subject, Result.DONE, began=began)


def _configure(
    run: Run,
    step: ConfigureNodes,
    nodes: Nodes,
    executor: ThreadPoolExecutor,
    ends: float | None,
) -> None:
    clock = run.world.clock
    began = clock.monotonic()
    subject = subject_of(step)
    if run.stopped:
        return
    if not run.options.wait:
        run.finish(
            step,
            subject,
            Result.WAITING,
            reason="Nobody waits for the nodes: the next apply configures them.",
            began=began,
        )
        return

    def give_up() -> bool:
        return bool(run.stopped) or (ends is not None and clock.monotonic() >= ends)

    def at_once(calls: Sequence[Callable[[], None]]) -> None:
        futures = [executor.submit(call) for call in calls]
        for future in concurrent.futures.as_completed(futures):
            future.result()

    run.world.progress.tell(StepStarted(step=step, subject=subject))
    try:
        done = inside.configure(run, step, nodes, give_up=give_up, at_once=at_once)
    except FarmctlError as error:
        result = run.judge(error)
        run.finish(step, subject, result, reason=str(error), began=began)
    else:
        run.finish(step, subject, done.result, reason=done.reason, began=began)


def _settle(run: Run) -> None:
    note = inside.settle_router(run)
    if note is not None:
        run.notes.append(note)


def _retire(run: Run) -> None:
    note = retiring.at_the_end(run)
    if note is not None:
        run.notes.append(note)
