"""Carry a plan out: its waves in order, the steps of one wave at once.

Before a wave that changes objects, everything before it has been asked for and what was
to end has ended: a network cannot go while nodes are in it. Nodes that come up are not
waited for between waves, but at the end, all together.
"""

import concurrent.futures
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from farmctl.errors import FarmctlError
from farmctl.model.steps import ChangeObject, CreateObject, DeleteObject
from farmctl.reconcile import objects
from farmctl.reconcile.breaker import Breaker
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
    try:
        _waves(run, executor)
    except BaseException:
        run.abandon()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _waves(run: Run, executor: ThreadPoolExecutor) -> None:
    breaker = Breaker()
    places = Places(run, breaker)
    watch = Watch(run, Nodes(run, places), breaker, executor)
    waves = run.plan.waves
    for number, wave in enumerate(waves, start=1):
        things = [step for step in wave if isinstance(step, ObjectStep)]
        nodes = [step for step in wave if not isinstance(step, ObjectStep)]
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
        if nodes and not run.stopped:
            watch.begin(nodes)
    watch.until(lambda: not watch.busy)
    _wait(run, watch)


def _wait(run: Run, watch: Watch) -> None:
    clock, timeout = run.world.clock, run.options.timeout
    ends = None if timeout is None else clock.monotonic() + timeout
    if not run.options.wait:
        watch.leave("It is on its way; nobody waits for it.")
        return
    watch.until(
        lambda: not watch.waiting or (ends is not None and clock.monotonic() >= ends)
    )
    late = f"It was not ready when {timeout or 0:g} s were over."
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
    run.world.progress.tell(StepStarted(step=step, subject=subject))
    try:
        objects.carry_out(run, step)
    except FarmctlError as error:
        result = run.judge(error)
        run.finish(step, subject, result, reason=str(error), began=began)
    else:
        run.finish(step, subject, Result.DONE, began=began)
