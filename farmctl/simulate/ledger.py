"""The accounts of a replay: slot-seconds by what they were spent on, and waits.

`farm` books every change of a node; `engine` lets time pass; `measures` makes figures
of the sums. Slots are counted by what they do now, so that time passes in constant
time, however many nodes there are.
"""

from array import array


class Ledger:
    """Sums over one replay so far. Times are seconds, sums slot-seconds.

    `unit`: slots of a node in which demand and supply are compared; that of the only
    pool, or what all shapes of a ladder are made up of.
    """

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.booting = 0
        self.stopping = 0
        self.empty = 0
        self.part = 0
        self.drained = 0
        self.busy = 0
        self.parked = 0
        self.live = 0
        self.ready = 0
        self.boot_seconds = 0.0
        self.empty_seconds = 0.0
        self.part_seconds = 0.0
        self.drained_seconds = 0.0
        self.busy_seconds = 0.0
        self.parked_seconds = 0.0
        self.starts = 0
        self.wakes = 0
        self.failures = 0
        self.cancelled = 0
        self.lifetimes: list[float] = []
        self.wait_seconds = 0.0
        self.waits: dict[float, int] = {}
        self.job_waits: dict[float, int] = {}
        self.slowdowns = 0.0
        self.tasks = 0
        self.peak = 0
        self.under = 0.0
        self.over = 0.0
        self.under_time = 0.0
        self.over_time = 0.0
        self.demand_time = 0.0
        self.times = array("d")
        self.demands = array("l")
        self.supplies = array("l")

    def passes(self, seconds: float, now: float, wanted: int) -> None:
        """Let `seconds` pass until `now`, while work would fill `wanted` slots."""
        demand = -(-wanted // self.unit)
        self.boot_seconds += (self.booting + self.stopping) * seconds
        self.empty_seconds += self.empty * seconds
        self.part_seconds += self.part * seconds
        self.drained_seconds += self.drained * seconds
        self.busy_seconds += self.busy * seconds
        self.parked_seconds += self.parked * seconds
        lack = demand - self.ready
        self.demand_time += demand * seconds
        if lack > 0:
            self.under += lack * seconds
            self.under_time += seconds
        elif lack < 0:
            self.over -= lack * seconds
            self.over_time += seconds
        self.times.append(now - seconds)
        self.demands.append(demand)
        self.supplies.append(self.ready)

    def waited(self, seconds: float, count: int, run: float) -> None:
        """Book the wait of `count` tasks that start now and will run `run` seconds."""
        self.wait_seconds += seconds * count
        self.waits[seconds] = self.waits.get(seconds, 0) + count
        self.slowdowns += max(1.0, (seconds + run) / max(run, 60.0)) * count
        self.tasks += count

    def all_started(self, seconds: float) -> None:
        """Book that the last task of a job starts, so long after the job came."""
        self.job_waits[seconds] = self.job_waits.get(seconds, 0) + 1

    def boot(self, slots: int, *, woken: bool = False) -> None:
        """Book a boot, or a resume, that begins."""
        self.booting += slots
        self.live += 1
        if woken:
            self.parked -= slots
            self.wakes += 1
        else:
            self.starts += 1
        total = self.booting + self.empty + self.part + self.drained + self.busy
        self.peak = max(self.peak, total)

    def cancel(self, slots: int) -> None:
        """Book a boot that is given up."""
        self.booting -= slots
        self.live -= 1
        self.cancelled += 1

    def lost(self, slots: int) -> None:
        """Book a boot that ended in nothing."""
        self.booting -= slots
        self.live -= 1
        self.failures += 1

    def join(self, slots: int) -> None:
        """Book a node that takes work from now on."""
        self.booting -= slots
        self.empty += slots
        self.ready += slots // self.unit

    def leave(self, slots: int, *, draining: bool) -> None:
        """Book an empty node that is neither ready nor booting any more."""
        if draining:
            self.drained -= slots
        else:
            self.empty -= slots
            self.live -= 1
        self.ready -= slots // self.unit

    def stop(self, slots: int, lifetime: float) -> None:
        """Book a stop that begins."""
        self.stopping += slots
        self.lifetimes.append(lifetime)

    def gone(self, slots: int) -> None:
        """Book a stop that ends."""
        self.stopping -= slots

    def park(self, slots: int) -> None:
        """Book a node that goes to standby."""
        self.parked += slots

    def unpark(self, slots: int) -> None:
        """Book a node that leaves standby for good."""
        self.parked -= slots

    def drain(self, slots: int, busy: int) -> None:
        """Book a node that takes no new work."""
        if busy:
            self.part -= slots - busy
        else:
            self.empty -= slots
        self.drained += slots - busy
        self.live -= 1

    def undrain(self, slots: int, busy: int) -> None:
        """Book a drain that is taken back."""
        self.drained -= slots - busy
        if busy:
            self.part += slots - busy
        else:
            self.empty += slots
        self.live += 1

    def more(self, slots: int, *, filled: bool, slots_of_node: int) -> None:
        """Book `slots` that begin to work; `filled`: their node was empty."""
        self.busy += slots
        if filled:
            self.empty -= slots_of_node
            self.part += slots_of_node - slots
        else:
            self.part -= slots

    def less(
        self, slots: int, *, slots_of_node: int, emptied: bool, draining: bool
    ) -> None:
        """Book `slots` that end their work; `emptied`: their node is empty now."""
        self.busy -= slots
        if draining:
            self.drained += slots
        elif emptied:
            self.part -= slots_of_node - slots
            self.empty += slots_of_node
        else:
            self.part += slots
