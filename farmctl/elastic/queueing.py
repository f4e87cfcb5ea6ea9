"""How long the queue would wait with so many more nodes: a schedule in one's head.

Pure. Work is taken in the order in which it waits, by the slot that is free first; how
long it will run is guessed by `runtimes`. Slots that become free together are one
entry, and so is work of one owner: thousands of jobs are some dozens of entries.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

Slots = tuple[float, int]
"""Seconds from now, and how many slots are free from then on."""

Task = tuple[int, float]
"""How many slots of work, and the seconds each is expected to run."""


def waiting(slots: Sequence[Slots], tasks: Sequence[Task]) -> tuple[float, list[Slots]]:
    """Return the slot-seconds that `tasks` wait from now, and when slots are free then.

    Without any slot the waiting is infinite.
    """
    heap = [entry for entry in slots if entry[1] > 0]
    if not heap:
        return (float("inf") if tasks else 0.0), []
    heapify(heap)
    total = 0.0
    for count, seconds in tasks:
        left = count
        while left:
            free, many = heappop(heap)
            taken = min(many, left)
            total += taken * free
            left -= taken
            if many > taken:
                heappush(heap, (free, many - taken))
            heappush(heap, (free + seconds, taken))
    return total, heap


def beside(tasks: Sequence[Task], count: int, slots: int, width: float = 1.0) -> float:
    """Return the slot-seconds that a node has free until the last of its work ends.

    Args:
        tasks: What waits; the work of the node is any of it.
        count: Slots of work that it gets, all at once, and nothing after these.
        slots: Of the node.
        width: Slots of a piece of work, which ends as a whole.
    """
    total = sum(many for many, _ in tasks)
    if not total or count <= 0:
        return 0.0
    pieces = max(1.0, count / width)
    last = mean = below = 0.0
    for many, seconds in sorted(tasks, key=_seconds):
        share = below + many / total
        last += seconds * (share**pieces - below**pieces)
        mean += seconds * many / total
        below = share
    return slots * last - count * mean


def coarse(slots: Sequence[Slots], entries: int) -> list[Slots]:
    """Return at most about `entries` groups of slots, each at its mean time."""
    if len(slots) <= entries:
        return list(slots)
    ordered = sorted(slots)
    size = -(-len(ordered) // entries)
    merged: list[Slots] = []
    for at in range(0, len(ordered), size):
        group = ordered[at : at + size]
        many = sum(count for _, count in group)
        mean = sum(free * count for free, count in group) / max(many, 1)
        merged.append((mean, many))
    return merged


def _seconds(task: Task) -> float:
    return task[1]
