"""One embedded cloud per test, whose clock stands still until the test turns it."""

import xmlrpc.client
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import etree

from farmctl.embedded.states import Lcm, State
from farmctl.testing import OpenNebula

SMALL = 'NAME="{name}"\nCPU="1"\nMEMORY="1024"\n'


class Stage:
    """A cloud, and the words that the tests are written in."""

    def __init__(self, cloud: OpenNebula) -> None:
        self.cloud = cloud
        self.admin = cloud.session
        self.proxy = xmlrpc.client.ServerProxy(cloud.endpoint)

    def raw(self, method: str, *args: Any, by: str | None = None) -> Any:
        return getattr(self.proxy, f"one.{method}")(by or self.admin, *args)

    def __call__(self, method: str, *args: Any, by: str | None = None) -> Any:
        answer = self.raw(method, *args, by=by)
        assert answer[0], answer
        return answer[1]

    def refusal(self, method: str, *args: Any, by: str | None = None) -> tuple:
        answer = self.raw(method, *args, by=by)
        assert not answer[0], answer
        return answer[2], answer[1]

    def xml(self, method: str, *args: Any, by: str | None = None) -> Any:
        return etree.fromstring(self(method, *args, by=by))

    def turn(self, seconds: float = 5.0) -> None:
        self.cloud.turn(seconds)

    # Things that most tests start from

    def vm(self, name: str = "vm", more: str = "", by: str | None = None) -> int:
        """Allocate a VM of one core, on hold so that the scheduler leaves it."""
        return self("vm.allocate", SMALL.format(name=name) + more, True, by=by)

    def running(self, name: str = "vm", more: str = "", host: int = 0) -> int:
        vm = self.vm(name, more)
        self("vm.deploy", vm, host, False, -1, "")
        self.turn()
        assert self.state(vm) == "RUNNING"
        return vm

    def state(self, vm: int) -> str:
        info = self.xml("vm.info", vm, False)
        state = State(int(info.findtext("STATE")))
        if state is State.ACTIVE:
            return Lcm(int(info.findtext("LCM_STATE"))).name
        return state.name

    def user(self, name: str, group: int = 1) -> tuple[int, str]:
        """Make an ordinary user; return the id and the session string."""
        number = self("user.allocate", name, "secret", "core", [group])
        return number, f"{name}:secret"

    def network(self, more: str = "", name: str = "net", size: int = 10) -> int:
        text = f'NAME="{name}"\nVN_MAD="dummy"\nBRIDGE="br0"\n{more}\n'
        text += f'AR=[TYPE="IP4",IP="10.0.0.1",SIZE="{size}"]'
        network = self("vn.allocate", text, -1)
        self.turn(1)
        return network


@pytest.fixture
def one(opennebula: OpenNebula) -> Iterator[Stage]:
    opennebula.set_scale(0)
    stage = Stage(opennebula)
    yield stage
    stage.proxy("close")()
