"""A changed playbook is tried on one worker before all others get it.

What configures a farm has another digest than its workers carry. One of them is
configured first, with the head and the router, on which its play may rest; when that
has succeeded and the batch system still has it well, the others follow. Where two fail,
the rest keep what they have until what configures them changes again. New workers,
which have nothing to lose, are configured as ever.

How a trial stands is kept in the farm's document; which workers carry what, in their
own marks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from farmctl.daemon.seeing import Seen
from farmctl.daemon.telling import Teller
from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.sample import NodeState
from farmctl.model.steps import ConfigureNodes
from farmctl.model.view import FarmView, Vm
from farmctl.plan.document import FARM, TRIAL
from farmctl.plan.rolling import FOLLOWED
from farmctl.reconcile import Outcome, Result

TRIES = 2
"""Workers that may fail: the first may be its own fault."""

LOST = 120.0
"""Seconds for which the batch system may not have a worker that was configured anew."""

_GONE = frozenset({VmState.ENDING, VmState.GONE})
_EVENT = "changed playbook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a changed playbook fared: `failed` says by worker what went wrong."""

    digest: str
    failed: Mapping[str, str]

    @property
    def stopped(self) -> str:
        """Why the others do not get it; empty if they may."""
        if len(self.failed) < TRIES:
            return ""
        return "; ".join(f"{node}: {why}" for node, why in sorted(self.failed.items()))


class Trials:
    """The trials of one farm; used by one round at a time."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self.allowed: frozenset[str] | None = None
        self.digest = ""
        self._trial: Trial | None = None
        self._canary = ""
        self._since: dict[int, float] = {}
        self._lost: dict[int, float] = {}

    def see(
        self, mine: FarmView, seen: Seen, *, configuration: str, now: float
    ) -> None:
        """Take up how the farm's workers are configured, and how that fares.

        `allowed` are then the nodes that may be configured otherwise than before now,
        None for all of them; new nodes are not asked about. `digest` is that of the
        configuration of which this is said.
        """
        self.digest = configuration
        self.allowed = self._see(mine, seen, configuration, now)

    def _see(
        self, mine: FarmView, seen: Seen, configuration: str, now: float
    ) -> frozenset[str] | None:
        workers = _workers(mine)
        changed = {
            name: vm
            for name, vm in workers.items()
            if vm.mark.configured not in {"", configuration}
        }
        self._canary = ""
        kept = _noted(mine)
        if not configuration or not changed or not _followed(mine):
            # Where it is not known now what configures them, what was tried holds.
            unknown = changed and not configuration
            self._trial = (self._trial or kept) if unknown else None
            return None
        if self._trial is None or self._trial.digest != configuration:
            self._trial = Trial(digest=configuration, failed={})
        if kept is not None and kept.digest == configuration:
            failed = {**kept.failed, **self._trial.failed}
            self._trial = Trial(digest=configuration, failed=failed)
        stopped = self._trial.stopped
        self._teller.state(f"{_EVENT} stopped", stopped)
        if stopped:
            return frozenset()
        others = frozenset(
            node_name(mine.farm, vm.tag.role)
            for vm in mine.vms
            if vm.tag is not None and vm.tag.role in {Role.HEAD, Role.ROUTER}
        )
        if seen.batch is None:
            # Nobody could say how a worker fares; the head may need it to come back.
            return others
        tried = {
            name: vm
            for name, vm in workers.items()
            if vm.mark.configured == configuration and not vm.mark.aside
        }
        if self._well(tried, seen, now=now):
            self._teller.state(_EVENT, "it works on one worker; the others follow")
            return None
        if any(name not in self._trial.failed for name in tried):
            return frozenset()  # it has to show itself first
        self._canary = min(
            (name for name in changed if name not in self._trial.failed),
            key=lambda name: (not _empty(name, seen), name),
            default=min(changed),
        )
        self._teller.state(_EVENT, f"it is tried on {self._canary} first")
        return others | {self._canary}

    def notes(self, mine: FarmView) -> dict[str, object]:
        """Return what the farm's document is to keep of it."""
        trial = self._trial
        if trial is not None and trial.failed:
            failed = {node: why[:200] for node, why in trial.failed.items()}
            return {TRIAL: {"digest": trial.digest, "failed": failed}}
        body = mine.document.body if mine.document else None
        return {TRIAL: {}} if body and body.get(TRIAL) else {}

    def done(self, outcome: Outcome) -> None:
        """Take note of how a configuring ended."""
        for each in outcome.steps:
            step = each.step
            if not isinstance(step, ConfigureNodes) or self._trial is None:
                continue
            if self._canary not in step.names or each.result is not Result.FAILED:
                continue
            why = next(
                (
                    line.partition(": ")[2]
                    for line in each.reason.splitlines()
                    if line.startswith(f"{self._canary}: ")
                ),
                "",
            )
            if why:
                self._failed(self._canary, why)

    def _failed(self, node: str, why: str) -> None:
        assert self._trial is not None
        failed = {**self._trial.failed, node: why}
        if node in self._trial.failed:
            failed[f"{node} again"] = why  # there is no other to try it on
        self._trial = Trial(digest=self._trial.digest, failed=failed)
        self._teller.went_wrong(f"{_EVENT} failed on {node}", why)

    def _well(self, tried: Mapping[str, Vm], seen: Seen, *, now: float) -> bool:
        """Tell whether the batch system has had one of them well in two looks."""
        if not seen.believed:
            return False
        states = {node.name: node.state for node in seen.joined.sample.nodes}
        well = {
            vm.id
            for name, vm in tried.items()
            if states.get(name) in {NodeState.READY, NodeState.DRAINING}
        }
        before = self._since
        self._since = {vm_id: before.get(vm_id, now) for vm_id in well}
        self._lost = {
            vm.id: self._lost.get(vm.id, now)
            for vm in tried.values()
            if vm.id not in well
        }
        for name, vm in tried.items():
            assert self._trial is not None
            late = now - self._lost.get(vm.id, now) > LOST
            if late and name not in self._trial.failed:
                self._failed(name, "it was configured, and its batch system lost it")
        return any(now > since for since in self._since.values())


def _followed(mine: FarmView) -> bool:
    """Tell whether the farm has a batch system that says how its workers fare."""
    body = mine.document.body if mine.document else None
    declared = body.get(FARM) if body else None
    return isinstance(declared, Mapping) and declared.get("batch") in FOLLOWED


def _noted(mine: FarmView) -> Trial | None:
    body = mine.document.body if mine.document else None
    kept = body.get(TRIAL) if body else None
    failed = kept.get("failed") if isinstance(kept, Mapping) else None
    if not isinstance(kept, Mapping) or not isinstance(failed, Mapping):
        return None
    return Trial(
        digest=str(kept.get("digest", "")),
        failed={str(node): str(why) for node, why in failed.items()},
    )


def _workers(mine: FarmView) -> dict[str, Vm]:
    return {
        node_name(mine.farm, Role.WORKER, vm.tag.pool, vm.tag.ordinal): vm
        for vm in mine.vms
        if vm.tag is not None
        and vm.tag.role is Role.WORKER
        and vm.state not in _GONE
        and vm.mark.configured
    }


def _empty(name: str, seen: Seen) -> bool:
    return any(node.name == name and node.empty for node in seen.sample.nodes)
