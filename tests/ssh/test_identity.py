import subprocess
from pathlib import Path

import pytest

from farmctl.errors import InputError, NotPossibleError
from farmctl.spec import parse_site
from farmctl.ssh import Identity, identity

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
"""


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
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
    subprocess.run(made, check=True)
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
        ("secret\n", 0o600, "key", "is no private key"),
        ("", 0o600, "key", "is no private key"),
    ],
)
def test_what_is_no_key_of_ours_is_told_with_its_line(site, text, mode, name, message):
    found = site(text, mode, name)
    with pytest.raises(InputError) as caught:
        identity(found)
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.path) == (10, "login.key_file")
    assert Path(mistake.file).name == "site.yaml"
    assert message in mistake.message
    assert mistake.hint
    assert "secret" not in mistake.message
