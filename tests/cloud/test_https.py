"""https: verified by the certificates that the site names, or the system's."""

import ssl
import subprocess

import pytest

from farmctl.errors import InputError, UnreachableError

POOL = "<DOCUMENT_POOL></DOCUMENT_POOL>"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    command += " -days 2 -subj /CN=one -addext subjectAltName=IP:127.0.0.1"
    command += " -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def secured(wayward, shapes, certificate):
    wayward.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    wayward.tls.load_cert_chain(*certificate)
    wayward.always = shapes.rpc(True, POOL, 0)
    return wayward.endpoint.replace("http:", "https:")


def test_a_certificate_that_the_site_names_is_trusted(
    connect, secured, certificate, wayward
):
    cloud = connect(secured, cafile=str(certificate[0]))
    assert cloud.documents() == []
    assert cloud.documents() == []
    assert wayward.connections == 1


def test_a_certificate_that_nobody_signed_is_not(connect, secured, wayward):
    cloud = connect(secured, patience=0)
    with pytest.raises(UnreachableError, match="is not trusted") as caught:
        cloud.documents()
    assert "$SSL_CERT_FILE" in caught.value.hint
    assert wayward.calls == []


def test_a_certificate_that_the_system_is_told_of_is_trusted(
    monkeypatch, connect, secured, certificate
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert connect(secured, patience=0).documents() == []


def test_a_certificate_for_another_host_is_not(connect, secured, certificate, wayward):
    elsewhere = secured.replace("127.0.0.1", "localhost")
    cloud = connect(elsewhere, cafile=str(certificate[0]), patience=0)
    with pytest.raises(UnreachableError, match="is not trusted"):
        cloud.documents()
    assert wayward.calls == []


def test_variables_for_requests_do_not_widen_the_trust(
    monkeypatch, connect, secured, certificate
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with pytest.raises(UnreachableError):
        connect(secured, patience=0).documents()


def test_plain_http_where_tls_is_expected_is_told_apart(connect, wayward):
    cloud = connect(wayward.endpoint.replace("http:", "https:"), patience=0)
    wayward._request = lambda connection: connection.sendall(b"HTTP/1.1 400 No\r\n\r\n")
    with pytest.raises(UnreachableError, match="does not speak TLS") as caught:
        cloud.documents()
    assert "OpenNebula itself speaks http" in caught.value.hint


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_a_mistake(connect, tmp_path, content):
    cafile = tmp_path / "ca.pem"
    if content is not None:
        cafile.write_text(content)
    cloud = connect("https://127.0.0.1:9/RPC2", cafile=str(cafile))
    with pytest.raises(InputError) as caught:
        cloud.documents()
    assert str(caught.value).startswith(f"{cafile}  cloud.cafile: no certificates")
