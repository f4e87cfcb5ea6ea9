"""Rules that boot for the queue now and end what has been idle for some seconds.

CLUES, Slurm's power saving with ParallelCluster's idle time, the Kubernetes cluster
autoscaler, Karpenter and cloudscheduler differ in how often they look, how long they
hold and how many boots they allow.
"""

from dataclasses import dataclass

from farmctl.simulate.farm import Farm


@dataclass(slots=True, kw_only=True)
class IdleTimeout:
    """Boot what the queue lacks, end what has been idle for `hold` seconds.

    Booting capacity counts until it joins. `settle`: seconds for which the queue must
    not have grown before boots, or `settle_most` since it began to (Karpenter's
    batching of pods).
    """

    name: str
    period: float
    hold: float
    settle: float = 0.0
    settle_most: float = 0.0
    _lack: int = 0
    _began: float = 0.0
    _grew: float = 0.0

    def act(self, farm: Farm) -> float:
        """Look once."""
        again = float("inf")
        lack = farm.queued - farm.booting_slots
        if lack > 0 and not self._settled(lack, farm.now):
            again = farm.now + self.period
        elif lack > 0:
            self._lack = 0
            wanted = -(-lack // farm.slots)
            if farm.start(wanted) < wanted:
                again = farm.now + self.period
        for node in list(farm.idle.values()):
            until = node.idle_since + self.hold
            if until <= farm.now:
                farm.stop(node)
            else:
                again = min(again, until)
        return again

    def _settled(self, lack: int, now: float) -> bool:
        if self._lack <= 0:
            self._began = now
        if lack > self._lack:
            self._grew = now
        self._lack = lack
        quiet = now - self._grew >= self.settle
        return quiet or now - self._began >= self.settle_most


@dataclass(slots=True, kw_only=True)
class CloudScheduler:
    """cloudscheduler v2: the shortfall of cores, in throttled boots.

    Quirks kept: one boot action a cycle, at most 5 starting VMs on the cloud, no boot
    with max(10, running // 10) idle VMs, retirement (a drain) after `keep_alive`.
    """

    name: str = "cloudscheduler"
    period: float = 10.0
    keep_alive: float = 120.0
    throttle: int = 5
    idle_throttle: int = 10

    def act(self, farm: Farm) -> float:
        """Look once."""
        again = float("inf")
        slots = farm.slots
        up = len(farm.nodes) - len(farm.booting)
        if farm.queued:
            short = farm.queued + farm.running - slots * len(farm.nodes)
            running = up - len(farm.idle)
            starting = len(farm.booting)
            if (
                short > 0
                and len(farm.idle) < max(self.idle_throttle, running // 10)
                and starting < self.throttle
            ):
                farm.start(min(self.throttle, -(-short // slots)))
            again = farm.now + self.period
        for node in list(farm.idle.values()):
            until = node.idle_since + self.keep_alive
            if until < farm.now:
                farm.stop(node)
            else:
                again = min(again, until + self.period)
        return again


def clues() -> IdleTimeout:
    """Return CLUES with its defaults: a look every 5 s, IDLE_TIME 1800."""
    return IdleTimeout(name="CLUES", period=5, hold=1800)


def slurm_power_save() -> IdleTimeout:
    """Return Slurm as ParallelCluster runs it, and the cluster autoscaler: 600 s."""
    return IdleTimeout(name="Slurm power save = CA", period=10, hold=600)


def karpenter(hold: float = 0.0) -> IdleTimeout:
    """Return Karpenter's deletion of empty nodes; pods are never moved."""
    return IdleTimeout(
        name=f"Karpenter {hold:g} s", period=1, hold=hold, settle=1, settle_most=10
    )
