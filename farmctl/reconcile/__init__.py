"""One round: observe, resolve, plan, apply; once, and proved by looking again.

The only room that holds a clock and the cloud together. It decides nothing about what
a farm should be (`plan` does) and speaks to no wire (`cloud` does); it knows in which
order things are safe, what may be repeated, and whom to believe.
"""

from farmctl.reconcile.draining import mark_draining
from farmctl.reconcile.progress import (
    CloudAway,
    Event,
    LockTakenOver,
    NodePhase,
    PlanMade,
    Progress,
    Retrying,
    Silence,
    StepDone,
    StepFailed,
    StepStarted,
    WaitingForLock,
    WaveStarted,
)
from farmctl.reconcile.rounds import (
    apply,
    declared,
    destroy,
    make_destroy_plan,
    make_plan,
    make_scale_plan,
    scale,
)
from farmctl.reconcile.signals import stopping_on_sigterm
from farmctl.reconcile.statuses import farm_status, status
from farmctl.reconcile.tending import Wish, room_lacking, set_aside, tend
from farmctl.reconcile.together import Together
from farmctl.reconcile.values import (
    Contexts,
    FarmStatus,
    Guests,
    Journal,
    LockStatus,
    NodeStatus,
    Options,
    Outcome,
    Result,
    Status,
    StepOutcome,
    Tempo,
    World,
)

__all__ = [
    "CloudAway",
    "Contexts",
    "Event",
    "FarmStatus",
    "Guests",
    "Journal",
    "LockStatus",
    "LockTakenOver",
    "NodePhase",
    "NodeStatus",
    "Options",
    "Outcome",
    "PlanMade",
    "Progress",
    "Result",
    "Retrying",
    "Silence",
    "Status",
    "StepDone",
    "StepFailed",
    "StepOutcome",
    "StepStarted",
    "Tempo",
    "Together",
    "WaitingForLock",
    "WaveStarted",
    "Wish",
    "World",
    "apply",
    "declared",
    "destroy",
    "farm_status",
    "make_destroy_plan",
    "make_plan",
    "make_scale_plan",
    "mark_draining",
    "room_lacking",
    "scale",
    "set_aside",
    "status",
    "stopping_on_sigterm",
    "tend",
]
