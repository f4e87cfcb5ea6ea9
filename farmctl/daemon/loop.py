"""The loop: a look at the cloud, a round for each farm of ours, and again.

Asynchronous only to wait: looks, beats and rounds are synchronous and run in threads. A
farm whose round is still under way is passed over, so that a slow one holds up itself
alone. While OpenNebula is away nothing is done, and how old the truth is goes on being
shown.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from farmctl.daemon.briefs import Circumstances
from farmctl.daemon.files import Files
from farmctl.daemon.hypervisors import Hypervisors
from farmctl.daemon.lines import LOG, tell
from farmctl.daemon.metrics import Meters
from farmctl.daemon.notify import Supervisor
from farmctl.daemon.peers import Peers, whose
from farmctl.daemon.rounds import FarmRounds
from farmctl.daemon.timekeeping import Timekeeping
from farmctl.daemon.values import Batches, Settings, Told
from farmctl.errors import CloudError, FarmctlError
from farmctl.model.keeping import Load
from farmctl.model.view import CloudView
from farmctl.reconcile import Together, World
from farmctl.spec import Farm, canonical

_T = TypeVar("_T")
_SLOWEST = 6
"""While OpenNebula is away the pause grows to so many times the usual one."""


class Daemon:
    """Keeps the farms of a site. `run` once; `stop` from any thread or signal."""

    def __init__(
        self,
        world: World,
        batches: Batches | None,
        files: Files,
        settings: Settings,
        *,
        meters: Meters,
        supervisor: Supervisor,
    ) -> None:
        self._world = replace(world, together=Together(world.cloud))
        self._batches = batches
        self._files = files
        self._settings = settings
        self._meters = meters
        self._supervisor = supervisor
        self._clock = world.clock
        self._peers = Peers(world.cloud, world.clock, silent=settings.silent)
        self._hypervisors = Hypervisors(
            world.cloud, world.clock, every=settings.hypervisors
        )
        self._time = Timekeeping(world.clock, hold=settings.clock)
        self._outdated: set[str] = set()
        self._stop = threading.Event()
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._farms: dict[str, FarmRounds] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, Told] = {}
        self._truth: dict[str, float] = {}
        self._looked = 0.0
        self._began = 0.0
        self._failures = 0

    def stop(self) -> None:
        """End in good order: no new round, and those under way end before a change."""
        self._stop.set()
        if self._loop is not None and self._wake is not None:
            with suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self, *, once: bool = False) -> None:
        """Go on until stopped; with `once`, for one round of each farm."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        if self._stop.is_set():
            return
        rounds = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="round")
        helpers = ThreadPoolExecutor(4, thread_name_prefix="daemon")
        beating = asyncio.create_task(self._beat(helpers))
        try:
            while not self._stop.is_set():
                await self._tick(rounds, helpers)
                if once:
                    await asyncio.gather(*self._under_way.values())
                    break
                await self._pause()
        finally:
            self._supervisor.stopping()
            self._stop.set()
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            if self._under_way:
                await asyncio.wait(
                    self._under_way.values(), timeout=self._settings.grace
                )
            await self._in(helpers, self._peers.leave)
            rounds.shutdown(wait=False, cancel_futures=True)
            helpers.shutdown(wait=False, cancel_futures=True)

    async def _tick(
        self, rounds: ThreadPoolExecutor, helpers: ThreadPoolExecutor
    ) -> None:
        self._began = began = self._clock.monotonic()
        try:
            view = await self._in(helpers, self._world.reads.look)
        except CloudError as error:
            self._away(error)
            self._say_away(str(error))
            return
        self._meters.looked(self._clock.monotonic() - began)
        if self._failures:
            tell(logging.INFO, "OpenNebula answers again")
            self._say_away("")
        self._failures, self._looked = 0, view.at
        if self._time.jumped():
            tell(logging.WARNING, "clock jumped", because=self._time.distrust())
            self._outdated = set(self._farms)
        for path, why in await self._in(helpers, self._files.look):
            tell(logging.WARNING, "farm file refused", because=why, file=str(path))
        mine = await self._in(helpers, lambda: self._mine(view))
        circumstances = Circumstances(
            emptied=await self._in(helpers, self._hypervisors.disabled),
            distrust=self._time.distrust(),
        )
        for name in sorted(mine):
            if name not in self._under_way and not self._stop.is_set():
                self._begin(name, view, circumstances, rounds)
        self._supervisor.ready(self._status())
        self._supervisor.alive(self._status())
        self._show_ages()

    def _mine(self, view: CloudView) -> frozenset[str]:
        """Return the farms that are ours among those that there are, or are to be."""
        living = self._peers.see(view)
        names = {
            name
            for name, farm in view.farms.items()
            if farm.document is not None
            and (view.user.admin or farm.document.owner_id == view.user.id)
        }
        names |= self._files.names
        if self._peers.silent():
            tell(logging.WARNING, "others take us for dead", because="no beat arrives")
            return frozenset()
        mine = frozenset(
            name for name in names if whose(name, living) == self._peers.name
        )
        gone = [
            name
            for name in self._farms
            if name not in mine and name not in self._under_way
        ]
        for name in gone:
            del self._farms[name]
            self._truth.pop(name, None)
            self._told.pop(name, None)
        self._meters.forget(gone)
        self._meters.shared(living=len(living), mine=len(mine))
        return mine

    def _begin(
        self,
        name: str,
        view: CloudView,
        circumstances: Circumstances,
        rounds: ThreadPoolExecutor,
    ) -> None:
        if name not in self._farms or name in self._outdated:
            # What it remembers is of another time: it begins as after a restart.
            self._outdated.discard(name)
            self._farms[name] = FarmRounds(
                name, self._world, self._batches, self._settings
            )
        task = asyncio.create_task(self._round(name, view, circumstances, rounds))
        self._under_way[name] = task

        def over(_: "asyncio.Task[None]") -> None:
            self._under_way.pop(name, None)

        task.add_done_callback(over)

    async def _round(
        self,
        name: str,
        view: CloudView,
        circumstances: Circumstances,
        rounds: ThreadPoolExecutor,
    ) -> None:
        farm = self._files.pending(name)
        if farm is not None and _is_declared(farm, view):
            self._files.done(farm)
            farm = None
        try:
            told = await self._in(
                rounds,
                lambda: self._farms[name].round(
                    view,
                    declared=farm,
                    circumstances=circumstances,
                    stop=self._stop,
                ),
            )
        except Exception:  # noqa: BLE001 - the rim of a round: the other farms go on
            LOG.exception(
                "round broke down", extra={"because": "", "values": {"farm": name}}
            )
            return
        self._told[name] = told
        self._truth[name] = told.truth or self._truth.get(name, 0.0)
        self._meters.told(told)

    async def _pause(self) -> None:
        """Wait until the next look is due, or somebody wakes us."""
        assert self._wake is not None
        settings = self._settings
        usual = settings.poll * min(_SLOWEST, 1 + self._failures)
        # From look to look: a look's own time is no part of what a job waits. Yet
        # OpenNebula is left alone for as long as it was kept busy.
        took = self._clock.monotonic() - self._began
        pause = max(usual - took, min(took, usual))
        now = self._clock.now()
        due = [told.again - now for told in self._told.values() if told.again > now]
        if due and not self._failures:
            pause = min(pause, max(settings.soonest, min(due)))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), pause)

    async def _beat(self, helpers: ThreadPoolExecutor) -> None:
        failed = ""
        while True:
            try:
                await self._in(helpers, lambda: self._peers.beat(self._loads()))
                failed = ""
            except FarmctlError as error:
                if str(error) != failed:
                    failed = str(error)
                    tell(logging.WARNING, "beat failed", because=failed)
            self._show_ages()
            await asyncio.sleep(self._settings.beat)

    def _away(self, error: CloudError) -> None:
        self._failures += 1
        self._meters.away()
        self._show_ages()
        if self._failures == 1:
            tell(logging.WARNING, "OpenNebula is away", because=str(error))
        self._supervisor.alive(f"OpenNebula is away: {error.message}")

    def _say_away(self, because: str) -> None:
        """Let each farm's journal say since when nothing is known of it, and why."""
        for farm in self._farms.values():
            farm.away(because)

    def _loads(self) -> dict[str, Load]:
        """Return what the beat says of our farms."""
        standings = {name: told.standing for name, told in [*self._told.items()]}
        return {
            name: Load() if (found := standings.get(name)) is None else found.load
            for name in [*self._farms]
        }

    def _show_ages(self) -> None:
        now = self._clock.now()
        self._meters.ages(cloud=self._looked, farms=self._truth, now=now)

    def _status(self) -> str:
        return f"{len(self._farms)} farms"

    async def _in(self, pool: ThreadPoolExecutor, action: Callable[[], _T]) -> _T:
        assert self._loop is not None
        return await self._loop.run_in_executor(pool, action)


def _is_declared(farm: Farm, view: CloudView) -> bool:
    """Tell whether the farm's document says what its file says."""
    document = view.farm(farm.name).document
    if document is None or not document.body:
        return False
    wanted = canonical(farm)
    return all(document.body.get(key) == wanted[key] for key in wanted)
