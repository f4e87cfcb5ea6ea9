"""Credentials from a file: what is wrong with it is told, what is in it never is."""

import pytest

from farmctl.cloud.opennebula import Session, connect, read_session
from farmctl.errors import InputError


def auth_file(tmp_path, content: bytes, mode: int = 0o600):
    file = tmp_path / "one_auth"
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    "content",
    [
        b"tina:hunter2",
        b"tina:hunter2\n",
        b"tina:hunter2\r\nmore:lines\n",
        b" tina:hunter2 ",
    ],
)
def test_the_first_line_counts(tmp_path, content):
    session = read_session(auth_file(tmp_path, content))
    assert (session.user, session.reveal()) == ("tina", "tina:hunter2")


def test_a_password_may_hold_colons(tmp_path):
    assert read_session(auth_file(tmp_path, b"tina:a:b")).reveal() == "tina:a:b"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its first line is empty"),
        (b"\ntina:hunter2\n", "its first line is empty"),
        (b"hunter2", "its first line is not user:password"),
        (b":hunter2", "its first line is not user:password"),
        (b"hunter2:", "its first line is not user:password"),
        (b"\xff\xfehunter2", "it is no text"),
    ],
)
def test_a_file_that_holds_no_credentials_is_named(tmp_path, content, why):
    file = auth_file(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_session(file)
    assert str(caught.value) == (
        f"{file}  cloud.auth_file: {why}. It holds one line, user:password, as "
        "OpenNebula's ~/.one/one_auth does."
    )
    assert "hunter2" not in repr(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_session(tmp_path / "nowhere")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read: is a directory"):
        read_session(tmp_path)


def test_the_home_directory_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    auth_file(tmp_path, b"tina:hunter2")
    assert read_session("~/one_auth").user == "tina"


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o640, 1), (0o604, 1)])
def test_a_file_that_others_can_read_is_warned_of(tmp_path, caplog, mode, warned):
    read_session(auth_file(tmp_path, b"tina:hunter2", mode))
    assert len(caplog.records) == warned
    assert "hunter2" not in caplog.text


def test_a_session_shows_its_user_alone():
    session = Session("tina:hunter2")
    assert repr(session) == str(session) == "Session(tina:…)"
    assert session.scrub("no hunter2 here") == "no … here"
    assert not hasattr(session, "__dict__")


def test_connecting_sends_nothing(tmp_path):
    cloud = connect("http://192.0.2.1:2633/RPC2", str(auth_file(tmp_path, b"t:h")))
    assert cloud.endpoint == "http://192.0.2.1:2633/RPC2"
    cloud.close()


def test_a_home_that_nobody_has_is_a_file_that_is_not_there():
    with pytest.raises(InputError, match="there is no such file"):
        read_session("~nobody-here/one_auth")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://tina:hunter2@one.example.org:2633/RPC2",
        "tina:hunter2@one.example.org:2633/RPC2",
        "http://tina:hunter2@[one.example.org:2633/RPC2",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path, endpoint):
    with pytest.raises(InputError, match="it holds a user name") as caught:
        connect(endpoint, str(auth_file(tmp_path, b"tina:a")))
    assert "hunter2" not in str(caught.value)
