from pathlib import Path

import pytest

from farmctl.assembly import access, sites
from farmctl.assembly.access import Access, Chosen
from farmctl.errors import InputError
from farmctl.spec import parse_site

SITE = """\
site: torino
domain: farm.example.org
hypervisors:
  service: {requires: 'A="1"', system_datastore: gluster}
  worker: {requires: 'A="2"', system_datastore: lvm}
networks:
  farms: {supernet: 172.16.0.0/16, driver: dummy}
  public: {name: public}
images: {openwrt: openwrt-24.10}
"""
URL = "http://one.example.org:2633/RPC2"
OTHER = "http://other.example.org:2633/RPC2"


def site(cloud="", file="etc/site.yaml"):
    return parse_site(SITE + (f"cloud: {cloud}\n" if cloud else ""), file)


def carried():
    return "http://127.0.0.1:1/RPC2", Path("/state/one_auth")


def nobody():
    raise AssertionError("the embedded cloud was asked for")


def test_the_site_file_comes_first():
    found = access.choose(
        site(f"{{endpoint: '{URL}', auth_file: /etc/one_auth}}"),
        {"ONE_XMLRPC": OTHER, "ONE_AUTH": "/elsewhere"},
        nobody,
    )
    assert found == Access(
        endpoint=URL, auth_file=Path("/etc/one_auth"), chosen=Chosen.SITE
    )


def test_what_the_site_leaves_out_comes_from_the_environment():
    found = access.choose(
        site(f"{{endpoint: '{URL}'}}"), {"ONE_AUTH": "/elsewhere"}, nobody
    )
    assert found.auth_file == Path("/elsewhere")


def test_opennebulas_own_default_is_the_last(monkeypatch):
    monkeypatch.setenv("HOME", "/people/tina")
    found = access.choose(site(f"{{endpoint: '{URL}'}}"), {}, nobody)
    assert found.auth_file == Path("/people/tina/.one/one_auth")


def test_without_a_word_in_the_site_opennebulas_environment_counts():
    found = access.choose(site(), {"ONE_XMLRPC": URL, "ONE_AUTH": "/mine"}, nobody)
    assert found == Access(
        endpoint=URL, auth_file=Path("/mine"), chosen=Chosen.ENVIRONMENT
    )


def test_without_any_word_it_is_the_embedded_cloud_with_its_own_password():
    found = access.choose(site(), {"ONE_AUTH": "/mine"}, carried)
    assert found == Access(
        endpoint="http://127.0.0.1:1/RPC2",
        auth_file=Path("/state/one_auth"),
        chosen=Chosen.CARRIED,
    )


def test_a_relative_path_begins_at_the_site_file():
    found = access.choose(
        site(f"{{endpoint: '{URL}', auth_file: secret/one_auth}}"), {}, nobody
    )
    assert found.auth_file == Path("etc/secret/one_auth")


def test_a_password_for_no_endpoint_is_a_mistake():
    with pytest.raises(InputError) as raised:
        access.choose(site("{auth_file: /etc/one_auth}"), {}, nobody)
    (mistake,) = raised.value.mistakes
    assert (mistake.file, mistake.line, mistake.path) == (
        "etc/site.yaml",
        10,
        "cloud.auth_file",
    )


def test_which_site_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = {"FARMCTL_SITE": "/srv/site.yaml"}
    assert sites.find("own.yaml", named) == Path("own.yaml")
    assert sites.find(None, named) == Path("/srv/site.yaml")
    with pytest.raises(InputError, match="farmctl init"):
        sites.find(None, {})
    (tmp_path / "site.yaml").write_text("")
    assert sites.find(None, {}) == Path("site.yaml")


def test_a_home_that_nobody_has_is_left_to_be_not_found():
    assert sites.find("~nobody-here/site.yaml", {}) == Path("~nobody-here/site.yaml")
    found = access.choose(
        site(), {"ONE_XMLRPC": URL, "ONE_AUTH": "~nobody-here/a"}, nobody
    )
    assert found.auth_file == Path("~nobody-here/a")
