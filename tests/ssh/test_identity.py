import subprocess
from pathlib import Path

import pytest

from farmctl.errors import InputError, NotPossibleError
from farmctl.spec import parse_site
from farmctl.ssh import Identity, identity, mistakes

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7YHVNcuEWxfSDEAO+1AoN8y8GuI522vSzNXX3u5Taz"
SITE = """\
site: torino
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker: {requires: 'FARM_CLASS="worker"', system_datastore: lvm}
networks:
  farms: {supernet: 172.16.0.0/16, driver: dummy}
  public: {name: public}
images: {debian: debian-12}
admin:
  addresses: [192.0.2.0/24]
  ssh_keys: [KEY]
""".replace("KEY", KEY)


def made_key(path, *more, passphrase=""):
    """Make a key; return its public half, without a comment."""
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, *more, "-f", path]
    subprocess.run(made, check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


@pytest.fixture
def site(tmp_path):
    """Read a site whose key file holds a text, with a mode."""

    def read(text=None, mode=0o600, name="key"):
        if text is not None:
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(mode)
        login = f"login: {{user: root, key_file: {name}}}\n"
        return parse_site(SITE + login, str(tmp_path / "site.yaml"))

    return read


def test_a_key_beside_the_site_file_is_found(site, tmp_path):
    made_key(tmp_path / "key")
    assert identity(site()) == Identity(user="root", key_file=tmp_path / "key")


def test_without_a_key_file_it_is_the_agents():
    assert identity(parse_site(SITE + "login: {user: admin}\n")) == Identity(
        user="admin", key_file=None
    )


def test_a_site_without_login_is_told_what_to_write():
    with pytest.raises(NotPossibleError, match="does not say how to log in") as caught:
        identity(parse_site(SITE))
    assert "login: {user: root" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "mode", "name", "message"),
    [
        (None, 0, "key", "is not there"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o644, "key", "(mode 0644)"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o640, "key", "by others than"),
        ("ssh-ed25519 AAAA tina\n", 0o600, "key.pub", "is a public key"),
        ("ssh-ed25519 AAAA tina\n", 0o644, "key.pub", "is a public key"),
        ("secret\n", 0o600, "key", "is no private key"),
        ("", 0o600, "key", "is no private key"),
    ],
)
def test_what_is_no_key_of_ours_is_told_with_its_line(site, text, mode, name, message):
    found = site(text, mode, name)
    with pytest.raises(InputError) as caught:
        identity(found)
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.path) == (13, "login.key_file")
    assert Path(mistake.file).name == "site.yaml"
    assert message in mistake.message
    assert mistake.hint
    assert "secret" not in mistake.message


def test_a_public_key_is_not_to_be_closed_but_to_be_exchanged(site, tmp_path):
    (mistake,) = mistakes(site(f"{KEY} tina\n", 0o644, "key.pub"))
    assert mistake.message.endswith(
        "is a public key, and the private one belongs here."
    )
    assert mistake.hint == f"Name {tmp_path / 'key'}."


@pytest.mark.parametrize("form", [(), ("-m", "PEM", "-t", "rsa"), ("-m", "PKCS8")])
def test_a_key_with_a_passphrase_that_no_agent_knows_is_told(
    site, tmp_path, monkeypatch, form
):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made_key(tmp_path / "key", *form, passphrase="secret")
    with pytest.raises(InputError) as caught:
        identity(site())
    (mistake,) = caught.value.mistakes
    assert "has a passphrase, and nobody is there to type it" in mistake.message
    assert "ssh-add" in mistake.hint


def test_a_passphrase_is_no_matter_where_an_agent_has_the_key(
    site, tmp_path, monkeypatch
):
    public = made_key(tmp_path / "key", passphrase="secret")
    agent = tmp_path / "ssh-add"
    agent.write_text(f"#!/bin/sh\necho '{public} tina'\n")
    agent.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    assert identity(site()).key_file == tmp_path / "key"


def test_every_fault_of_a_key_is_told_at_once(site, tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    public = made_key(tmp_path / "key", passphrase="secret")
    (tmp_path / "key").chmod(0o644)
    told = mistakes(site())
    assert [each.line for each in told] == [13, 13, 13]
    assert [each.hint.split()[0] for each in told] == ["chmod", "Put", "Add"]
    assert told[2].hint == f"Add this line to admin.ssh_keys: {public}"


def test_a_key_that_the_nodes_know_is_none_to_complain_of(tmp_path):
    public = made_key(tmp_path / "key")
    text = SITE.replace(KEY, f"{public} farmctl") + "login: {key_file: key}\n"
    assert mistakes(parse_site(text, str(tmp_path / "site.yaml"))) == []


def test_without_login_there_is_nothing_to_complain_of():
    assert mistakes(parse_site(SITE)) == []
