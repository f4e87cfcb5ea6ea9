"""Fixtures: a cloud of the test's own with its batch systems and daemons."""

import itertools
import multiprocessing
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "reconcile"))

import farms

_numbers = itertools.count(1)


@pytest.fixture
def name():
    return f"d{os.getpid()}x{next(_numbers)}"


@pytest.fixture
def bench(opennebula, tmp_path):
    made = farms.Bench(opennebula, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def forking():
    """Starts processes from a server that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["farmctl.cloud.opennebula.adapter", "farmctl.daemon", "farmctl.context"]
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "__main__", ModuleType("__main__"))
        yield context
