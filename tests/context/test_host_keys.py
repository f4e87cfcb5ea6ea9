"""What a node's start script tells OneGate of its SSH host key."""

import base64
import http.server
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from farmctl.context import render
from farmctl.model.nodes import Role

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNUvxc5hM2cIyKl+c1yhMfvGOYzZNE/Xk4h"
TOLD = ("/vm", "se'cret", "17", f'FARMCTL_HOST_KEY="{KEY}"'.encode())


class OneGate(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        self.server.heard.append(
            (
                self.path,
                self.headers["X-ONEGATE-TOKEN"],
                self.headers["X-ONEGATE-VMID"],
                self.rfile.read(length),
            )
        )
        answers = self.server.answers
        self.send_response(answers.pop(0) if answers else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def onegate():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneGate) as server:
        server.heard, server.answers = [], []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def node(site, draw_farm, tmp_path):
    """A worker below a folder, with a key and a token; `start` runs its script."""
    root = tmp_path / "guest"
    (root / "etc/ssh").mkdir(parents=True)
    (root / "etc/ssh/ssh_host_ed25519_key").write_text("")
    (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text(f"{KEY} root@here\n")
    (root / "context").mkdir()
    (root / "context/token.txt").write_text("se'cret\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for each in Path("/usr/bin").iterdir():
        if each.name not in ("curl", "wget", "onegate"):
            (tools / each.name).symlink_to(each)
    context = render(site, draw_farm(), Role.WORKER, "wn")
    script = tmp_path / "start"
    script.write_bytes(base64.b64decode(context["START_SCRIPT_BASE64"]))

    def start(onegate, *, tool="curl", **environment):
        path = shutil.which(tool)
        if path is None:
            pytest.skip(f"{tool} is not installed")
        if not (tools / tool).exists():
            (tools / tool).symlink_to(path)
        return subprocess.run(
            ["sh", str(script)],
            env={
                "PATH": str(tools),
                "FARMCTL_ROOT": str(root),
                "FARMCTL_TRIES": "3",
                "FARMCTL_PAUSE": "0",
                "SET_HOSTNAME": "alice-wn-wn-001",
                "VMID": "17",
                "ONEGATE_ENDPOINT": f"http://127.0.0.1:{onegate.server_port}",
                **{k: v for k, v in context.items() if k.startswith("FARMCTL_")},
                **environment,
            },
            capture_output=True,
            timeout=30,
            check=False,
        )

    start.root, start.tools = root, tools
    return start


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_node_tells_its_host_key_once(node, onegate, tool):
    for _ in range(2):
        done = node(onegate, tool=tool)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert onegate.heard == [TOLD]
    assert (node.root / "run/farmctl/ready").exists()
    left = {each.name for each in (node.root / "run/farmctl").iterdir()}
    assert left == {"ready", "told"}


def test_a_key_that_changed_is_told_again(node, onegate):
    node(onegate)
    other = KEY.replace("Xk4h", "Zzzz")
    (node.root / "etc/ssh/ssh_host_ed25519_key.pub").write_text(f"{other}\n")
    node(onegate)
    assert [each[3].decode() for each in onegate.heard] == [
        f'FARMCTL_HOST_KEY="{KEY}"',
        f'FARMCTL_HOST_KEY="{other}"',
    ]


def test_onegates_own_tool_will_do(node, onegate, tmp_path):
    tool = node.tools / "onegate"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/heard\n')
    tool.chmod(0o755)
    assert node(onegate, tool="sh").stderr == b""
    assert (tmp_path / "heard").read_text().splitlines() == [
        "vm",
        "update",
        "--data",
        f'FARMCTL_HOST_KEY="{KEY}"',
    ]


def test_the_token_is_found_where_one_context_keeps_it(node, onegate):
    (node.root / "context/token.txt").unlink()
    folder = node.root / "var/run/one-context"
    folder.mkdir(parents=True)
    (folder / "one_env").write_text('export TOKENTXT="se\'cret"\n')
    assert node(onegate).stderr == b""
    assert onegate.heard == [TOLD]


def test_it_is_tried_again_while_onegate_does_not_answer(node, onegate):
    onegate.answers[:] = [503, 500]
    assert node(onegate).stderr == b""
    assert onegate.heard == [TOLD] * 3


@pytest.mark.parametrize(("answers", "asked"), [([401], 1), ([503] * 3, 3)])
def test_a_key_that_cannot_be_told_is_no_fault_of_the_node(
    node, onegate, answers, asked
):
    onegate.answers[:] = answers
    done = node(onegate)
    assert done.returncode == 0
    assert b"the SSH host key could not be told" in done.stderr
    assert len(onegate.heard) == asked
    assert (node.root / "run/farmctl/ready").exists()


def test_a_node_without_key_token_or_tool_comes_up_all_the_same(node, onegate):
    done = node(onegate, tool="sh")
    assert (done.returncode, (node.root / "run/farmctl/ready").exists()) == (0, True)
    (node.root / "etc/ssh/ssh_host_ed25519_key.pub").unlink()
    assert node(onegate).returncode == 0
    (node.root / "context/token.txt").unlink()
    assert node(onegate).returncode == 0
    assert onegate.heard == []


def test_no_program_is_given_the_token_as_an_argument(node, onegate, tmp_path):
    tool = node.tools / "curl"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/heard\necho 200\n')
    tool.chmod(0o755)
    node(onegate)
    heard = (tmp_path / "heard").read_text()
    assert "FARMCTL_HOST_KEY" in heard
    assert "se'cret" not in heard
