"""Which waiting work the farm's pools could run, and which none ever could.

Pure: a sample and the pools' shapes in, the sample without the hopeless work and the
reasons out. What a batch system matched itself is taken as it says (`Waiting.pools`);
all other work is held against the shapes by slots, memory, disk, features, queues and
devices. Starting nodes for what is left is the business of `elastic`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from farmctl.model.sample import Sample, Waiting
from farmctl.units import format_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """What one node of a pool offers, and how many of them there may be.

    `memory_mib` and `disk_mib`: 0 when they do not limit. `queues`: the partitions or
    queues its nodes join, empty for all. `devices`: names such as `gpu`.
    """

    pool: str
    slots: int
    memory_mib: int = 0
    disk_mib: int = 0
    features: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    most: int = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """Work that no pool of this farm could run, and why."""

    waiting: Waiting
    because: str

    def __str__(self) -> str:
        work = self.waiting
        many = f"{work.jobs} jobs" if work.jobs != 1 else "1 job"
        name = f" ({work.job})" if work.job else ""
        return f"{many} of {work.owner}{name} can never run here: {self.because}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A sample whose waiting work some pool fits, and what was left out of it."""

    sample: Sample
    never: tuple[Never, ...] = ()


def sort_out(sample: Sample, shapes: Sequence[NodeShape]) -> Sorted:
    """Return `sample` without the work that no shape fits, and that work.

    Work that takes its node alone then counts as all slots of the smallest node that
    fits it. Work that only some shapes fit is tied to their pools. Nothing else of the
    sample is changed, and no order is.
    """
    waiting: list[Waiting] = []
    never: list[Never] = []
    for work in sample.waiting:
        found = [shape for shape in shapes if fits(work, shape)]
        if not found:
            never.append(Never(waiting=work, because=_because(work, shapes)))
            continue
        slots = work.slots
        if work.whole:
            slots = min(shape.slots for shape in found)
        if len(found) == len(shapes):
            waiting.append(work if slots == work.slots else replace(work, slots=slots))
        else:
            pools = frozenset(shape.pool for shape in found)
            waiting.append(replace(work, slots=slots, pools=pools))
    return Sorted(
        sample=replace(sample, waiting=tuple(waiting)),
        never=tuple(never),
    )


def fits(work: Waiting, shape: NodeShape) -> bool:
    """Tell whether nodes of `shape` could run the work, were there enough of them."""
    if work.pools is not None:
        return shape.pool in work.pools
    return all(meets(work, shape) for meets, _ in _TESTS)


def _slots(work: Waiting, shape: NodeShape) -> bool:
    return work.slots <= shape.slots


def _memory(work: Waiting, shape: NodeShape) -> bool:
    return not shape.memory_mib or work.memory_mib <= shape.memory_mib


def _disk(work: Waiting, shape: NodeShape) -> bool:
    return not shape.disk_mib or work.disk_mib <= shape.disk_mib


def _features(work: Waiting, shape: NodeShape) -> bool:
    return not work.features or any(each <= shape.features for each in work.features)


def _queues(work: Waiting, shape: NodeShape) -> bool:
    return not work.queues or not shape.queues or bool(work.queues & shape.queues)


def _devices(work: Waiting, shape: NodeShape) -> bool:
    return {name.split(":")[0] for name in work.devices} <= shape.devices


def _together(work: Waiting, shape: NodeShape) -> bool:
    each = 1 if work.apart or work.whole else max(1, shape.slots // max(work.slots, 1))
    return work.together <= each * shape.most


_Test = Callable[[Waiting, NodeShape], bool]
_Says = Callable[[Waiting, Sequence[NodeShape]], str]


def _says_slots(work: Waiting, shapes: Sequence[NodeShape]) -> str:
    most = max(shape.slots for shape in shapes)
    return f"it asks for {work.slots} cores on one node, and a node has {most}"


def _says_memory(work: Waiting, shapes: Sequence[NodeShape]) -> str:
    most = max(shape.memory_mib for shape in shapes)
    return f"it asks for {format_amount(work.memory_mib)}, and a node has " + (
        format_amount(most)
    )


def _says_disk(work: Waiting, shapes: Sequence[NodeShape]) -> str:
    most = max(shape.disk_mib for shape in shapes)
    return f"it asks for {format_amount(work.disk_mib)} of disk, and a node has " + (
        format_amount(most)
    )


def _says_features(work: Waiting, _shapes: Sequence[NodeShape]) -> str:
    wanted = " or ".join(sorted("&".join(sorted(each)) for each in work.features))
    return f"it asks for nodes with {wanted}, and no pool has them"


def _says_queues(work: Waiting, _shapes: Sequence[NodeShape]) -> str:
    return f"no pool's nodes join {' or '.join(sorted(work.queues))}"


def _says_devices(work: Waiting, _shapes: Sequence[NodeShape]) -> str:
    return f"it asks for {', '.join(sorted(work.devices))}, and no pool has that"


def _says_together(work: Waiting, shapes: Sequence[NodeShape]) -> str:
    most = max(shape.most for shape in shapes)
    what = f"{work.together} pieces of {work.slots} cores"
    return f"it asks for {what} at once, and a pool has at most {most} nodes"


_TESTS: tuple[tuple[_Test, _Says], ...] = (
    (_slots, _says_slots),
    (_memory, _says_memory),
    (_disk, _says_disk),
    (_features, _says_features),
    (_queues, _says_queues),
    (_devices, _says_devices),
    (_together, _says_together),
)
"""In the order in which people look for the cause."""


def _because(work: Waiting, shapes: Sequence[NodeShape]) -> str:
    """Return what no shape has, or that no one shape has all of it."""
    if not shapes:
        return "the farm has no pool"
    if work.pools is not None:
        return work.why or "the batch system matches it to no pool"
    for meets, says in _TESTS:
        if not any(meets(work, shape) for shape in shapes):
            return says(work, shapes)
    return "no one pool has all that it asks for"
