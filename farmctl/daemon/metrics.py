"""What Prometheus is told of the daemon and of each farm.

Names begin with `farmctl_`; times are in seconds. The Grafana dashboard in
`templates/monitoring/` is written for these.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
)

from farmctl.daemon.values import Told
from farmctl.model.sample import Drain, End, Keep, Start, Undrain

_BOOTS = (15, 30, 60, 120, 180, 300, 450, 600, 900, 1800)
_ROUNDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_WORDS = {
    Start: "start",
    Drain: "drain",
    Undrain: "undrain",
    End: "end",
    Keep: "keep",
}


class Meters:
    """All that is measured, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._nodes = Gauge(
            "farmctl_nodes",
            "Workers by pool and state",
            ["farm", "pool", "state"],
            registry=registry,
        )
        self._sizes = Gauge(
            "farmctl_size",
            "Workers that a pool should have",
            ["farm", "pool"],
            registry=registry,
        )
        self._demand = Gauge(
            "farmctl_slots",
            "Slots of work, by what it does",
            ["farm", "is"],
            registry=registry,
        )
        self._oldest = Gauge(
            "farmctl_oldest_wait_seconds",
            "How long the oldest work that a node could help has waited",
            ["farm"],
            registry=registry,
        )
        self._truth = Gauge(
            "farmctl_age_of_truth_seconds",
            "Age of the last believed look at the batch system",
            ["farm"],
            registry=registry,
        )
        self._doubted = Gauge(
            "farmctl_doubted",
            "1 where the last look is not believed",
            ["farm"],
            registry=registry,
        )
        self._aside = Gauge(
            "farmctl_nodes_aside",
            "Sick workers that are kept",
            ["farm"],
            registry=registry,
        )
        self._limited = Gauge(
            "farmctl_limited",
            "1 where something keeps back nodes that would pay: max, quota, breaker …",
            ["farm", "pool"],
            registry=registry,
        )
        self._breakers = Gauge(
            "farmctl_breaker_open",
            "1 while nothing is made of a pool's image, as its boots failed",
            ["farm", "pool"],
            registry=registry,
        )
        self._shunned = Gauge(
            "farmctl_hypervisors_shunned",
            "Hypervisors that get no node of a pool, as boots failed on them",
            ["farm", "pool"],
            registry=registry,
        )
        self._never = Gauge(
            "farmctl_work_never",
            "Kinds of work that can never run",
            ["farm"],
            registry=registry,
        )
        self._barred = Gauge(
            "farmctl_work_barred_slots",
            "Slots of work that wait for a pool which may not grow now",
            ["farm", "pool"],
            registry=registry,
        )
        self._lease = Gauge(
            "farmctl_lease_ends_timestamp_seconds",
            "When a farm's lease ends",
            ["farm"],
            registry=registry,
        )
        self._rolling = Gauge(
            "farmctl_rolling_nodes",
            "Workers of a pool that rolls, of the old make and of the new one",
            ["farm", "pool", "make"],
            registry=registry,
        )
        self._refused = Gauge(
            "farmctl_make_refused",
            "1 where what a pool is declared to be made of was given up",
            ["farm", "pool"],
            registry=registry,
        )
        self._decisions = Counter(
            "farmctl_decisions", "Decisions", ["farm", "what"], registry=registry
        )
        self._boots = Histogram(
            "farmctl_boot_seconds",
            "From asked for until it takes work",
            ["farm"],
            buckets=_BOOTS,
            registry=registry,
        )
        self._boots_failed = Counter(
            "farmctl_boots_failed",
            "Boots that failed",
            ["farm"],
            registry=registry,
        )
        self._calls = Counter(
            "farmctl_opennebula_calls",
            "Calls sent to OpenNebula",
            ["method"],
            registry=registry,
        )
        self._rounds = Histogram(
            "farmctl_round_seconds",
            "How long a farm's round takes",
            ["farm"],
            buckets=_ROUNDS,
            registry=registry,
        )
        self._failed = Counter(
            "farmctl_rounds_failed",
            "Rounds that went wrong",
            ["farm"],
            registry=registry,
        )
        self._looks = Histogram(
            "farmctl_look_seconds",
            "How long a look at OpenNebula takes",
            buckets=_ROUNDS,
            registry=registry,
        )
        self._cloud = Gauge(
            "farmctl_age_of_cloud_seconds",
            "Age of the last look at OpenNebula",
            registry=registry,
        )
        self._away = Gauge(
            "farmctl_opennebula_away",
            "1 while OpenNebula does not answer",
            registry=registry,
        )
        self._living = Gauge("farmctl_daemons", "Daemons that live", registry=registry)
        self._mine = Gauge("farmctl_farms", "Farms of this daemon", registry=registry)

    def serve(self, address: str, port: int) -> int:
        """Serve `/metrics` from a thread of its own; return the port."""
        server, _ = start_http_server(port, addr=address, registry=self.registry)
        return int(server.server_address[1])

    def called(self, method: str) -> None:
        """Take note of a call to OpenNebula."""
        self._calls.labels(method).inc()

    def looked(self, seconds: float) -> None:
        """Take note of a look at OpenNebula that succeeded."""
        self._looks.observe(seconds)
        self._away.set(0)

    def away(self) -> None:
        """Take note of a look that failed."""
        self._away.set(1)

    def ages(self, *, cloud: float, farms: Mapping[str, float], now: float) -> None:
        """Show how old everything is that is known.

        Args:
            cloud: when OpenNebula was looked at last, 0 for never.
            farms: when each farm's batch system was believed last, 0 for never.
            now: the clock.
        """
        if cloud:
            self._cloud.set(now - cloud)
        for farm, truth in farms.items():
            if truth:
                self._truth.labels(farm).set(now - truth)

    def shared(self, *, living: int, mine: int) -> None:
        """Show how many daemons there are, and how many farms are ours."""
        self._living.set(living)
        self._mine.set(mine)

    def told(self, told: Told) -> None:
        """Take note of a farm's round."""
        farm = told.farm
        self._rounds.labels(farm).observe(told.seconds)
        if told.error:
            self._failed.labels(farm).inc()
            return
        self._clear(self._nodes, farm)
        for (name, state), count in told.states.items():
            self._nodes.labels(farm, name, state).set(count)
        for name, size in told.sizes.items():
            self._sizes.labels(farm, name).set(size)
        self._demand.labels(farm, "waiting").set(told.waiting)
        self._demand.labels(farm, "running").set(told.running)
        oldest = told.at - told.oldest if told.oldest else 0.0
        self._oldest.labels(farm).set(max(0.0, oldest))
        self._doubted.labels(farm).set(1 if told.doubt else 0)
        self._aside.labels(farm).set(told.aside)
        self._never.labels(farm).set(len(told.never))
        self._clear(self._barred, farm)
        for work in told.standing.barred if told.standing else ():
            for name in work.pools:
                self._barred.labels(farm, name).inc(work.slots)
        for pool in told.standing.pools if told.standing else ():
            held = (farm, pool.pool)
            self._limited.labels(*held).set(1 if pool.limit else 0)
            self._breakers.labels(*held).set(1 if pool.tripped else 0)
            self._shunned.labels(*held).set(len(pool.shunned))
        self._clear(self._refused, farm)
        for name in told.refused:
            self._refused.labels(farm, name).set(1)
        self._clear(self._rolling, farm)
        for name, (new, all_of_them) in told.rolling.items():
            self._rolling.labels(farm, name, "new").set(new)
            self._rolling.labels(farm, name, "old").set(all_of_them - new)
        if told.lease_ends:
            self._lease.labels(farm).set(told.lease_ends)
        for decision in told.decisions:
            word = _WORDS.get(type(decision), "other")
            self._decisions.labels(farm, word).inc()
        self._boots_failed.labels(farm).inc(told.failed)
        for seconds in told.boots:
            self._boots.labels(farm).observe(seconds)

    def forget(self, farms: Iterable[str]) -> None:
        """Show nothing more of farms that are not ours."""
        for farm in farms:
            for meter in (
                self._nodes,
                self._sizes,
                self._demand,
                self._limited,
                self._breakers,
                self._shunned,
                self._refused,
                self._rolling,
            ):
                self._clear(meter, farm)
            for meter in (
                self._oldest,
                self._truth,
                self._doubted,
                self._aside,
                self._never,
                self._barred,
                self._lease,
                self._refused,
            ):
                self._clear(meter, farm)

    @staticmethod
    def _clear(meter: Gauge, farm: str) -> None:
        meter.remove_by_labels({"farm": farm})
