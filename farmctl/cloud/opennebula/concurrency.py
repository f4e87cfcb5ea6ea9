"""Calls made at once, each in a thread of its own that never holds the program back.

A look is eight calls of which none needs another. Their threads are daemons: whoever
presses Ctrl-C while OpenNebula hangs waits for no answer.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any


@contextmanager
def at_once() -> Iterator[Callable[..., Future[Any]]]:
    """Give a function that begins a call and returns its future.

    When the block is left, by an error or otherwise, what has not begun never does.
    """
    begun: list[Future[Any]] = []

    def submit(call: Callable[..., Any], *args: object) -> Future[Any]:
        future: Future[Any] = Future()
        begun.append(future)
        threading.Thread(
            target=_run, args=(future, call, args), name="farmctl-look", daemon=True
        ).start()
        return future

    try:
        yield submit
    finally:
        for each in begun:
            each.cancel()


def _run(
    future: Future[Any], call: Callable[..., Any], args: tuple[object, ...]
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call(*args)
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        future.set_exception(error)
    else:
        future.set_result(result)
