"""Clouds and credentials that are not what they should be."""

import http.server
import threading

import pytest

ROOM_FOR_CALLS = ("status", "plan", "apply")


@pytest.fixture
def auth(tmp_path, monkeypatch):
    path = tmp_path / "one_auth"
    path.write_text("oneadmin:secret-of-mine\n")
    path.chmod(0o600)
    monkeypatch.setenv("ONE_AUTH", str(path))
    return path


@pytest.fixture
def answering():
    """A web server that says the same to everybody."""
    servers = []

    def serve(body, status=200, kind="text/html"):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/RPC2"

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("farmctl.assembly.worlds.QUICK", 0.1)


def check(ran, *, status, says):
    assert ran.status == status
    assert says in ran.err
    assert "secret-of-mine" not in ran.err + ran.out
    assert "Traceback" not in ran.err


def test_an_endpoint_that_is_down(farmctl, folder, auth, monkeypatch, impatient):
    monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:9/RPC2")
    check(
        farmctl("plan", "sandbox.yaml"),
        status=1,
        says="127.0.0.1:9 cannot be reached",
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>It works!</html>", 200),
        (b"not found", 404),
        (b"", 200),
        (b"<methodResponse><params/></methodResponse>", 200),
    ],
)
def test_an_endpoint_that_is_no_opennebula(
    farmctl, folder, auth, monkeypatch, answering, impatient, body, status
):
    monkeypatch.setenv("ONE_XMLRPC", answering(body, status))
    check(farmctl("plan", "sandbox.yaml"), status=1, says="XML-RPC")


def test_a_version_that_is_not_known(
    farmctl, folder, auth, monkeypatch, answering, impatient
):
    body = b"""<?xml version="1.0"?><methodResponse><params><param><value><array><data>
    <value><boolean>1</boolean></value><value><string>4.2.0</string></value>
    <value><i4>0</i4></value></data></array></value></param></params></methodResponse>
    """
    monkeypatch.setenv("ONE_XMLRPC", answering(body, kind="text/xml"))
    check(farmctl("plan", "sandbox.yaml"), status=1, says="4.2.0")


def test_an_endpoint_that_is_no_url(farmctl, folder, auth, monkeypatch):
    monkeypatch.setenv("ONE_XMLRPC", "one.example.org")
    check(farmctl("status"), status=2, says="is no http or https URL")


def test_a_password_that_opennebula_does_not_know(
    farmctl, folder, auth, monkeypatch, opennebula
):
    monkeypatch.setenv("ONE_XMLRPC", opennebula.endpoint)
    check(farmctl("status"), status=1, says="does not know this user and password")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no such file"),
        (b"", "its first line is empty"),
        (b"rubbish\n", "is not user:password"),
        (b"\xff\xfe:\n", "it is no text"),
    ],
)
def test_a_one_auth_that_cannot_be_used(
    farmctl, folder, auth, monkeypatch, content, says
):
    monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:9/RPC2")
    if content is None:
        auth.unlink()
    else:
        auth.write_bytes(content)
    ran = farmctl("plan", "sandbox.yaml")
    check(ran, status=2, says=says)
    assert str(auth) in ran.err


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("site.yaml", "debian-12", "debian-99", "OpenNebula shows no image"),
        ("site.yaml", "lvm", "lvm2", "shows no system datastore 'lvm2'"),
        ("site.yaml", '"worker"', '"wirker"', "no hypervisor is of the class worker"),
        ("site.yaml", "{name: public}", "{name: publik}", "publik"),
        ("sandbox.yaml", "image: debian", "image: debain", "no image called 'debain'"),
        (
            "sandbox.yaml",
            "kind: plain",
            "kind: plain\nnetwork: 10.0.0.0/24",
            "10.0.0.0/24 is outside",
        ),
        ("sandbox.yaml", "min: 2", "min: 9", "min is 9, which is more than max, 5."),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_changed(
    farmctl, folder, cloud, file, old, new, says
):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    cloud.reset_calls()
    for arguments in (("plan", "sandbox.yaml"), ("apply", "--yes", "sandbox.yaml")):
        ran = farmctl(*arguments)
        assert ran.status == 2
        assert says in ran.err
    calls = cloud.calls()
    assert not [
        each
        for each in calls
        if each.rpartition(".")[2] in ("allocate", "instantiate", "update", "delete")
    ]
