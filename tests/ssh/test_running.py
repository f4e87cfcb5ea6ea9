import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from farmctl.errors import NotAuthenticatedError, UnreachableError
from farmctl.ssh.folder import Folder


def test_a_command_runs_in_a_node_behind_the_router(farm):
    shell, head = farm.shell(), farm.guest("head")
    ran = shell.run(head, ["sh", "-c", 'echo "$SSH_CONNECTION"; exit 3'])
    assert (ran.status, ran.err) == (3, "")
    *_, to, port = ran.out.split()
    assert (to, port) == (head.address, "22")
    assert farm.said == []


def test_arguments_and_input_arrive_as_they_are(farm):
    hostile = ["a b", "$(id)", "`id`", "'", '"', "\\", "*", "", "ü\n;", "-o", "%h"]
    ran = farm.shell().run(
        farm.guest("head"),
        ["sh", "-c", 'printf "%s\\0" "$@"; cat; echo err >&2', "sh", *hostile],
        stdin="täxt\n" * 50_000,
    )
    *arguments, text = ran.out.split("\0")
    assert arguments == hostile
    assert text == "täxt\n" * 50_000
    assert (ran.status, ran.err) == (0, "err\n")


def test_a_command_that_ends_with_255_is_no_lost_connection(farm):
    shell, head = farm.shell(), farm.guest("head")
    assert shell.run(head, ["sh", "-c", "echo said >&2; exit 255"]).status == 255
    assert shell.run(head, ["sh", "-c", "exit 255"]).status == 255


def test_a_guest_that_writes_without_end_is_not_read_on(farm, monkeypatch):
    monkeypatch.setattr("farmctl.ssh.processes.MOST", 3 * 1024**2)
    shell, head = farm.shell(), farm.guest("head")
    for where in ("", ">&2"):
        with pytest.raises(UnreachableError, match="with more than 3 MiB"):
            shell.run(head, ["sh", "-c", f"cat /dev/zero {where}"], timeout=60)
    ran = shell.run(head, ["sh", "-c", "head -c 2000000 /dev/zero"])
    assert len(ran.out) == 2_000_000


def test_many_commands_at_once_share_one_connection(farm):
    shell, head, found = farm.shell(), farm.guest("head"), []

    def run(number):
        found.append(shell.run(head, ["sh", "-c", f"echo {number}"]).out)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == [f"{n}\n" for n in range(8)]
    log = (farm.servers["router"].folder / "log").read_text()
    assert log.count("Accepted publickey") == 1


def test_time_that_is_up_ends_ssh_and_is_told(farm):
    shell = farm.shell()
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"did not answer `sleep 60` within 1 s"):
        shell.run(farm.guest("head"), ["sleep", "60"], timeout=1.0416)
    assert time.monotonic() - began < 8
    assert shell.run(farm.guest("head"), ["echo", "again"]).out == "again\n"


def test_a_node_that_is_away_is_told_apart_from_its_router(farm):
    shell = farm.shell()
    farm.servers["head"].stop()
    with pytest.raises(UnreachableError) as caught:
        shell.run(farm.guest("head"), ["true"])
    assert str(caught.value).startswith("alice-wn-head (127.91.")
    assert "does not answer SSH, through alice-wn-router" in caught.value.message


def test_a_router_that_is_away_is_named(farm):
    shell = farm.shell()
    farm.servers["router"].stop()
    with pytest.raises(UnreachableError, match=r"alice-wn-router .* refuses SSH"):
        shell.run(farm.guest("head"), ["true"])


def test_a_connection_that_breaks_off_is_no_answer(farm):
    shell, head = farm.shell(), farm.guest("head")
    with pytest.raises(UnreachableError, match="alice-wn-head"):
        shell.run(head, ["sh", "-c", "kill -9 $PPID"])
    assert shell.run(head, ["echo", "again"]).out == "again\n"


def test_another_host_key_than_the_one_that_was_told_lets_nothing_through(farm):
    other = farm.servers["router"].host_key
    shell = farm.shell(guests=[farm.guest("router")])
    with pytest.raises(NotAuthenticatedError, match="not who it says it is"):
        shell.run(farm.guest("head", host_key=other), ["true"])


def test_a_router_with_another_host_key_is_not_passed(farm):
    router = farm.guest("router", host_key=farm.servers["head"].host_key)
    with pytest.raises(
        NotAuthenticatedError, match=r"alice-wn-router .* not who it say"
    ):
        farm.shell(guests=[router]).run(farm.guest("head"), ["true"])


def test_a_key_that_the_guest_does_not_know_is_told(farm, tmp_path):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")],
        check=True,
    )
    with pytest.raises(
        NotAuthenticatedError, match="does not let root in with the key"
    ):
        farm.shell(key_file=tmp_path / "k").run(farm.guest("router"), ["true"])


def test_a_guest_that_told_no_key_is_believed_once_and_held_to_it(farm):
    head = farm.guest("head", host_key="")
    shell = farm.shell(guests=[farm.guest("router")])
    assert shell.run(head, ["echo", "in"]).out == "in\n"
    shell.run(head, ["true"])
    assert len(farm.said) == 1
    assert farm.said[0].startswith("alice-wn-head has told OneGate no SSH host key")
    server = farm.servers["head"]
    remembered = farm.folder / "state/farmctl/known_hosts/torino.alice-wn"
    assert remembered.read_text() == f"vm-8 {server.host_key}\n"
    server.stop()
    server.new_host_key()
    server.start()
    with pytest.raises(NotAuthenticatedError, match="not who it was"):
        farm.shell(guests=[farm.guest("router")]).run(head, ["true"])


def test_what_is_no_host_key_is_refused_before_anything_is_sent(farm):
    with pytest.raises(NotAuthenticatedError, match="is no SSH host key"):
        farm.shell().run(farm.guest("head", host_key="x\nHost *"), ["true"])


def test_the_users_own_configuration_holds_for_no_node(farm):
    shell = farm.shell()
    arguments = shell.arguments(farm.guest("head"))
    done = subprocess.run(
        [*arguments[:3], "-G", arguments[-1]],
        capture_output=True,
        text=True,
        check=True,
    )
    said = dict(each.split(" ", 1) for each in done.stdout.splitlines())
    assert (said["forwardagent"], said["batchmode"]) == ("no", "yes")
    assert said["stricthostkeychecking"] == "true"
    assert said["identityfile"] == str(farm.key_file)


def test_a_connection_of_its_own_is_no_shared_one(farm):
    shell, router = farm.shell(), farm.guest("router")
    for _ in range(2):
        shell.run(router, ["true"])
        assert shell.run_anew(router, ["echo", "new"]).out == "new\n"
    log = (farm.servers["router"].folder / "log").read_text()
    assert log.count("Accepted publickey") == 3


def test_closing_leaves_no_process_and_no_file(farm):
    shell = farm.shell()
    shell.run(farm.guest("head"), ["true"])
    folder = str(shell._folder.path)
    assert processes(folder)
    shell.close()
    until = time.monotonic() + 5
    while processes(folder) and time.monotonic() < until:
        time.sleep(0.05)
    assert processes(folder) == []
    assert not Path(folder).exists()


def test_what_a_killed_run_left_is_swept_by_the_next():
    with tempfile.TemporaryDirectory() as short:
        environment = {"XDG_RUNTIME_DIR": short}
        living = Folder(environment)
        program = (
            "import os, signal; from farmctl.ssh.folder import Folder; "
            f"kept = Folder({environment!r}); os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run([sys.executable, "-c", program], check=False)
        assert len(list(Path(short).iterdir())) == 2
        Folder(environment).close()
        assert list(Path(short).iterdir()) == [living.path]
        living.close()


def test_ansible_is_told_where_the_way_is(farm):
    shell = farm.shell()
    guests = [farm.guest("router"), farm.guest("head")]
    arguments = shell.for_ansible(guests)
    done = subprocess.run(
        ["sh", "-c", f"ssh {arguments} {shell.alias(guests[1])} echo in"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (0, "in\n")


def processes(text):
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                line = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if text in line and "ssh" in line.split()[0]:
                found.append(line)
    return found


def test_another_guest_under_an_old_id_is_reached_over_no_old_connection(farm):
    shell, head = farm.shell(), farm.guest("head")
    assert shell.run(head, ["echo", "one"]).out == "one\n"
    (old,) = sockets(shell, head)
    again = replace(head, since=head.since + 1)
    assert shell.run(again, ["echo", "two"]).out == "two\n"
    assert sockets(shell, head) != [old]
    assert len(sockets(shell, head)) == 1  # the old one was hung up
    log = (farm.servers["head"].folder / "log").read_text()
    assert log.count("Accepted publickey") == 2


def sockets(shell, guest):
    """Return the names of the open connections to a VM's id."""
    folder = shell._folder.path
    return [path.name for path in folder.glob(f"{guest.vm_id}-*") if path.is_socket()]
