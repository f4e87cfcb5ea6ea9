"""Starting, finding and stopping the server."""

import json
import multiprocessing
import os
import socket
import stat
from pathlib import Path

import pytest

from farmctl.embedded import process
from farmctl.embedded.settings import Settings
from farmctl.errors import NotPossibleError
from farmctl.testing import OpenNebula, fast_settings


@pytest.fixture
def settings(tmp_path):
    chosen = fast_settings(tmp_path / "cloud")
    yield chosen
    process.stop(chosen)


def start_in_a_process(directory, queue):
    # Owned by nobody: whichever process started it ends at once.
    queue.put(process.start(fast_settings(Path(directory), owner=0)).pid)


def test_a_second_start_finds_the_first(settings):
    first = process.start(settings)
    assert process.start(settings) == first == process.status(settings)


def test_two_starts_at_once_make_one_server(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    directory = str(tmp_path / "cloud")
    starting = [
        context.Process(target=start_in_a_process, args=(directory, queue))
        for _ in range(2)
    ]
    for each in starting:
        each.start()
    pids = {queue.get(timeout=30) for _ in starting}
    for each in starting:
        each.join()
    process.stop(fast_settings(tmp_path / "cloud"))
    assert len(pids) == 1


def test_stopping_what_does_not_run_is_no_error(settings):
    assert process.stop(settings) is False
    process.start(settings)
    assert process.stop(settings) is True
    assert process.status(settings) is None


def test_the_password_is_for_its_owner_only(settings):
    running = process.start(settings)
    mode = stat.S_IMODE(running.auth_file.stat().st_mode)
    assert mode == 0o600
    password = running.auth_file.read_text().strip().partition(":")[2]
    assert len(password) >= 20
    command = Path(f"/proc/{running.pid}/cmdline").read_text()
    environment = Path(f"/proc/{running.pid}/environ").read_text()
    assert password not in command + environment + settings.log_file.read_text()
    assert password.encode() not in settings.database.read_bytes()


def test_a_port_that_was_asked_for_is_had_or_refused(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NotPossibleError, match=rf"port {port} or 0 on 127.0.0.1"):
            process.start(
                Settings(directory=tmp_path / "cloud", port=port, onegate_port=0)
            )


def test_the_ports_of_the_last_start_are_kept(settings):
    first = process.start(settings)
    process.stop(settings)
    again = process.start(settings)
    assert (again.endpoint, again.onegate) == (first.endpoint, first.onegate)
    assert again.pid != first.pid


def test_files_of_a_dead_server_deceive_nobody(settings):
    process.start(settings)
    process.kill(settings)
    assert settings.endpoint_file.exists()
    assert process.status(settings) is None
    assert process.start(settings).pid > 0


def test_a_server_of_another_version_is_told_apart(settings):
    running = process.start(settings)
    told = settings.endpoint_file.read_text()
    settings.endpoint_file.write_text(json.dumps({"rpc_url": running.endpoint}))
    with pytest.raises(NotPossibleError, match="another version of farmctl"):
        process.status(settings)
    settings.endpoint_file.write_text(told)


def test_a_reset_makes_the_next_start_a_first_one(settings):
    first = process.start(settings)
    password = first.auth_file.read_text()
    process.reset(settings)
    assert not settings.database.exists()
    assert process.start(settings).auth_file.read_text() != password


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(NotPossibleError, match="cannot have"):
        process.start(fast_settings(tmp_path / "cloud"))


def test_a_state_that_cannot_be_read_is_named(settings):
    settings.directory.mkdir(parents=True)
    settings.database.write_bytes(b"this is no database" * 100)
    with pytest.raises(NotPossibleError, match="cannot keep the cloud's state"):
        process.start(settings)


def test_settings_survive_being_written():
    settings = Settings(worker_hosts=3, scale=2.0)
    assert Settings.from_json(settings.to_json()) == settings
    with pytest.raises(ValueError, match="unknown settings: speed"):
        Settings.from_json('{"speed": 1}')


def test_the_size_is_what_the_settings_say(opennebula_with):
    cloud: OpenNebula = opennebula_with(
        service_hosts=1, worker_hosts=2, public_addresses=7, content=True
    )
    names = [host["name"] for host in cloud.dump("HOST")["HOST"]]
    [public] = cloud.dump("NET")["NET"]
    cloud.stop()
    assert names == ["svc-00", "wrk-00", "wrk-01"]
    assert public["ranges"][0]["attributes"]["SIZE"] == "7"
