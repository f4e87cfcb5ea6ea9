"""Carrying out: one run over one or several farms, side by side, with its display.

Each farm has a thread of its own and is on its own: what goes wrong with one stops no
other. Ctrl-C asks all of them to stop and waits until they have given their locks back.
"""

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from farmctl.cli import terminal
from farmctl.cli.progress import Show
from farmctl.errors import FarmctlError
from farmctl.reconcile import Options, Outcome, World, stopping_on_sigterm

Task = Callable[[World, Options], Outcome]
"""What is to be done with one farm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of each farm, in the order in which they were asked for.

    A farm is in `refused` when the run did not begin, or ended with an error of its
    own; nothing is known of its steps then.
    """

    outcomes: tuple[Outcome, ...] = ()
    refused: Mapping[str, FarmctlError]
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        """Whether anything went wrong with any farm."""
        return bool(self.refused) or any(
            each.failed or not each.complete for each in self.outcomes
        )


def run(
    world: World, tasks: Mapping[str, Task], options: Options, *, quiet: bool
) -> Ran:
    """Carry out one task for each farm, all at once, and show it happening.

    Args:
        world: the cloud; each farm gets it with a progress of its own.
        tasks: what to do, by farm.
        options: what whoever asks has chosen.
        quiet: show nothing but what goes wrong.

    Returns:
        What became of each. After Ctrl-C or SIGTERM all farms have been given back,
        and their outcomes say what was not done.

    Raises:
        KeyboardInterrupt: Ctrl-C again, before all had stopped.
    """
    show = Show(terminal.err(), quiet=quiet)
    done: dict[str, Outcome] = {}
    refused: dict[str, FarmctlError] = {}
    broken: list[BaseException] = []
    stop = threading.Event()
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def carry_out(farm: str, task: Task) -> None:
        board = show.farm(farm)
        try:
            own = replace(world, progress=board)
            done[farm] = task(own, replace(options, stop=stop))
        except FarmctlError as error:
            refused[farm] = error
        except BaseException as error:  # noqa: BLE001 - told in the main thread
            broken.append(error)
        finally:
            board.finish()
            ended.put(farm)

    with stopping_on_sigterm(), show.running():
        threads = [
            threading.Thread(
                target=carry_out, args=each, name=f"farm-{each[0]}", daemon=True
            )
            for each in tasks.items()
        ]
        for thread in threads:
            thread.start()
        _wait(ended, len(threads), stop)
    if broken:
        raise broken[0]
    return Ran(
        outcomes=tuple(done[farm] for farm in tasks if farm in done),
        refused={farm: refused[farm] for farm in tasks if farm in refused},
        interrupted=stop.is_set(),
    )


def _wait(ended: "queue.SimpleQueue[str]", number: int, stop: threading.Event) -> None:
    """Wait until all have ended; on Ctrl-C ask them to stop, and go on waiting.

    Not with `Thread.join`: interrupted, it takes a thread that goes on for a dead one
    (CPython's issue 90882).
    """
    while number:
        try:
            ended.get()
        except KeyboardInterrupt:
            if stop.is_set():
                raise
            stop.set()
            terminal.say(
                "Stopping: what has been asked of OpenNebula is seen to its end. "
                "Ctrl-C again leaves at once.",
                style="warn",
            )
        else:
            number -= 1
