r"""OpenNebula in a test suite: the embedded cloud as pytest fixtures.

Installed with farmctl, this plugin gives every project's tests

* `opennebula`: an OpenNebula 7.4 of this test's own, empty but for hosts, datastores,
  images and a public network. Everything in it happens within fractions of a second,
  its clock can be turned, and what is to go wrong goes wrong on demand.
* `opennebula_session`: one for all tests of a run, which they share.
* `opennebula_with`: a function that starts one with settings of your own.
* `opennebula_nodes`: as root, an OpenNebula of this test's own whose VMs are real nodes
  of this machine: their own processes, file systems, networks. Skips where not root.

What they give is an `OpenNebula`. Talk to it with pyone or any other client::

    def test_that_a_vm_boots(opennebula):
        one = pyone.OneServer(opennebula.endpoint, session=opennebula.session)
        vm = one.vm.allocate('CPU="1"\\nMEMORY="512"', True)
        one.vm.deploy(vm, 0, False, 100, "")
        opennebula.turn(5)
        assert one.vm.info(vm).LCM_STATE == 3

    def test_that_a_failed_boot_is_noticed(opennebula):
        with opennebula.fault("boot", host="svc-00"):
            ...

Importing this module starts nothing and imports nothing heavy.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from farmctl.testing.opennebula import Fault, OpenNebula, Refused

if TYPE_CHECKING:
    from farmctl.embedded.settings import Settings

__all__ = ["Fault", "OpenNebula", "Refused", "fast_settings", "free_public_network"]


def fast_settings(directory: Path, **changes: Any) -> "Settings":
    """Return settings for tests: free ports, and steps that take milliseconds.

    Args:
        directory: where the cloud lives; one cloud per directory.
        changes: other fields of `farmctl.embedded.settings.Settings`. With
            `driver="netns"` VMs are real nodes, and steps take what they take.
    """
    from farmctl.embedded.settings import Settings, Timings  # noqa: PLC0415  # light

    real = changes.get("driver", "dummy") != "dummy"

    timings = Timings(
        prolog=0.02,
        boot=0.02,
        ready=0.05,
        shutdown=0.02,
        epilog=0.01,
        save=0.02,
        migrate=0.02,
        hotplug=0.02,
        network=0.01,
        image=0.01,
        commit=0.02,
        monitor=0.5 if real else 10.0,
        scheduler=0.05,
    )
    if real:
        changes.setdefault("public_network", free_public_network())
    make = Settings.of_nodes if real else Settings
    settings = make(
        directory=directory,
        port=0,
        onegate_port=0,
        timings=timings,
        owner=os.getpid(),  # a run that is killed leaves no server behind
    )
    return replace(settings, **changes)


def free_public_network() -> str:
    """Return a /24 of 198.18.0.0/15, for tests of networks, that is not in use here."""
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    used = {bytes.fromhex(line.split()[1])[::-1][:3] for line in routes}
    for number in range(1 << 9):
        # Runs side by side begin at different ones.
        second, third = divmod((os.getpid() + number) % (1 << 9), 1 << 8)
        if bytes((198, 18 + second, third)) not in used:
            return f"198.{18 + second}.{third}.0/24"
    raise RuntimeError("all of 198.18.0.0/15 is in use on this machine")


def demand_root() -> None:
    """Skip the test, and say so, where nodes cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("real nodes need root")


@pytest.fixture(scope="session")
def _opennebula_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OpenNebula]:
    # One process for all tests of `opennebula`: making it new takes milliseconds,
    # starting it a second.
    cloud = OpenNebula(fast_settings(tmp_path_factory.mktemp("opennebula")))
    yield cloud
    cloud.stop()


@pytest.fixture
def opennebula(_opennebula_process: OpenNebula) -> OpenNebula:
    """An OpenNebula of this test's own, new and fast."""
    _opennebula_process.reset()
    return _opennebula_process


@pytest.fixture(scope="session")
def _opennebula_nodes_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OpenNebula]:
    demand_root()
    directory = tmp_path_factory.mktemp("opennebula-nodes")
    cloud = OpenNebula(fast_settings(directory, driver="netns"))
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def opennebula_nodes(_opennebula_nodes_process: OpenNebula) -> OpenNebula:
    """An OpenNebula of this test's own whose VMs are real nodes; as root only."""
    _opennebula_nodes_process.reset()
    return _opennebula_nodes_process


@pytest.fixture(scope="session")
def opennebula_session(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OpenNebula]:
    """One fast OpenNebula for all tests of a run."""
    cloud = OpenNebula(fast_settings(tmp_path_factory.mktemp("opennebula-session")))
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="session")
def opennebula_with(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., OpenNebula]]:
    """Start OpenNebulas with other settings: `opennebula_with(worker_hosts=2)`.

    Each has a process of its own and ends with the run, or at its `stop`. With
    `driver="netns"` VMs are real nodes; the test is skipped where not root.
    """
    started: list[OpenNebula] = []

    def start(**changes: Any) -> OpenNebula:
        if changes.get("driver", "dummy") != "dummy":
            demand_root()
        directory = tmp_path_factory.mktemp("opennebula-with")
        cloud = OpenNebula(fast_settings(directory, **changes))
        cloud.start()
        started.append(cloud)
        return cloud

    yield start
    for cloud in started:
        cloud.stop()
