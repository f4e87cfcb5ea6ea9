"""A router that changes while it works, and one that a change would lock us out of."""

import os
import socket
import subprocess
import threading
import time

import pytest
from farmland import BIN, number, until

pytestmark = pytest.mark.xdist_group("farms")

ECHO = """python3 -c "
import socket, threading
def serve(connection):
    with connection:
        while data := connection.recv(2000):
            connection.sendall(data)
server = socket.create_server((str(), 80))
while True:
    threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()
" """
ECHOES = "nc -z 127.0.0.1 80"
THEIRS = "name: theirs, port: 8081"


@pytest.fixture(scope="module")
def served(_farmland):
    with (
        _farmland.serving("alice-head", ECHO, ECHOES),
        _farmland.serving("alice-wn-001", ECHO, ECHOES),
    ):
        yield _farmland


@pytest.fixture(scope="module", autouse=True)
def lock_out(_farmland):
    """Bob's router is told to let somebody else in, while the first tests run."""
    land = _farmland
    site = land.site().replace(f"[{land.machine}/32]", "[192.0.2.77/32]")
    land.write("other-site", site)
    before = land.inside("bob-router", "cat /context/context.sh")
    applying = subprocess.Popen(
        [BIN / "farmctl", "apply", "--yes", "bob.yaml", "--site", "other-site.yaml"],
        cwd=land.folder,
        env=land.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield applying, before
    if applying.poll() is None:
        applying.kill()
        applying.wait()


class Stream:
    """Bytes that go to and fro over one connection, for as long as the block lasts."""

    def __init__(self, address, port):
        self._connection = socket.create_connection((address, port), 3)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.rounds, self.gap, self.trouble = 0, 0.0, ""

    def _run(self):
        last = time.monotonic()
        self._connection.settimeout(10)
        while not self._over.wait(0.01):
            told = os.urandom(64)
            try:
                self._connection.sendall(told)
                heard = b""
                while len(heard) < len(told):
                    heard += self._connection.recv(64) or told[:0] + b"\0" * 65
            except OSError as error:
                self.trouble = repr(error)
                return
            if heard != told:
                self.trouble = "the connection ended"
                return
            now = time.monotonic()
            self.gap, last = max(self.gap, now - last), now
            self.rounds += 1

    def __enter__(self):
        self._thread.start()
        until(lambda: self.rounds > 3)
        return self

    def __exit__(self, *what):
        seen = self.rounds
        if not self.trouble:
            until(lambda: self.trouble or self.rounds > seen + 3)
        self._over.set()
        self._thread.join()
        self._connection.close()


def answers(land, port):
    return land.works("outside", f"nc -z -w 1 {land.public('alice')} {port}")


def test_a_forward_changes_within_three_seconds_while_connections_go_on(served):
    land = served
    assert answers(land, 8081)
    first = land.place("alice-router"), land.cloud.node("alice-router")
    changed = land.alice().replace(THEIRS, "name: theirs, port: 9081")
    land.write("alice", changed)
    with Stream(land.public("alice"), 8080) as other:
        ran = land.run("apply", "--yes", "alice.yaml")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert answers(land, 9081)
        assert not answers(land, 8081)
    assert other.trouble == ""
    assert other.gap < 1
    assert number(ran.stderr, "alice-router changed after") <= 3
    assert "in place, no interruption" in ran.stdout
    assert (land.place("alice-router"), land.cloud.node("alice-router")) == first
    assert "9081" in _files(land)


def test_a_connection_outlives_the_forward_that_it_came_by(served):
    land = served
    with Stream(land.public("alice"), 8082) as own:
        land.write("alice", land.alice().replace("port: 8082", "port: 9082"))
        land.apply("alice")
        until(lambda: not answers(land, 9081))
        with pytest.raises(OSError, match=r".*"):
            socket.create_connection((land.public("alice"), 8082), 1)
    assert own.trouble == ""


def test_back_again_the_router_runs_what_its_file_says(served):
    land = served
    land.write("alice", land.alice())
    land.apply("alice")
    assert answers(land, 8081)
    assert not answers(land, 9081)
    assert land.steps("alice") == []


def test_a_change_that_would_lock_us_out_is_taken_back(land, lock_out):
    applying, before = lock_out
    said, _ = applying.communicate(timeout=90)
    assert applying.returncode == 1
    assert "did not let us in again" in said
    assert "it has taken them back" in said
    assert "admin.addresses" in said
    with socket.create_connection((land.public("bob"), 60022), 3) as connection:
        assert connection.recv(4) == b"SSH-"
    assert land.inside("bob-router", "cat /context/context.sh") == before
    assert land.works("bob-wn-002", f"curl -sf http://{land.outside}/")


def test_after_that_the_right_file_goes_through(land, lock_out):
    """The way on: what the site says is mended, and applied again."""
    assert lock_out[0].poll() == 1
    assert land.steps("bob") != []
    land.apply("bob")
    assert land.steps("bob") == []
    assert "bob-router" in land.host("bob-router").check_output("hostname")


def _files(land):
    return land.inside("alice-router", "cat /etc/farmctl/router/ruleset.nft")
