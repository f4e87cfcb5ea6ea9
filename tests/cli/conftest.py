import json

import pytest

from farmctl.cli import main

SITE = """\
site: torino
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker: {requires: 'FARM_CLASS="worker"', system_datastore: lvm}
networks:
  farms: {supernet: 172.16.0.0/16, driver: dummy}
  public: {name: public}
images: {openwrt: openwrt-24.10, debian: debian-12}
deadlines: {running: 3s, ready: 3s}
"""

FARM = """\
farm: sandbox
kind: plain
router: {image: openwrt, flavour: openwrt}
pools:
  wn: {image: debian, cpus: 1, memory: 1GiB, count: {min: 2, max: 5}}
"""


class Run:
    """What a command did."""

    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in (
        "ONE_XMLRPC",
        "ONE_AUTH",
        "FARMCTL_SITE",
        "FARMCTL_DEBUG",
        "COLUMNS",
        "NO_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def cloud(opennebula, monkeypatch):
    """A cloud as it is at first, which the environment names."""
    monkeypatch.setenv("ONE_XMLRPC", opennebula.endpoint)
    monkeypatch.setenv("ONE_AUTH", str(opennebula.auth_file))
    return opennebula


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a site and a farm, in which commands run."""
    place = tmp_path / "farms"
    place.mkdir()
    (place / "site.yaml").write_text(SITE)
    (place / "sandbox.yaml").write_text(FARM)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def farmctl(capsys):
    """Run a command in this process and give its exit status and its two outputs."""

    def run(*arguments):
        capsys.readouterr()
        status = main.run([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "Traceback" not in out
        return Run(int(status), out, err)

    return run
