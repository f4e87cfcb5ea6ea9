import json

import pytest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7YHVNcuEWxfSDEAO+1AoN8y8GuI522vSzNXX3u5Taz"


def test_init_writes_files_that_are_right_as_they_stand(farmctl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = farmctl("init", "new/place")
    assert ran.status == 0
    assert ran.out == ""
    assert "Next: cd new/place && farmctl plan example.yaml" in ran.err
    checked = farmctl("validate", "new/place/site.yaml", "new/place/example.yaml")
    assert checked.status == 0
    assert checked.out == (
        "new/place/site.yaml  site example: no mistake\n"
        "new/place/example.yaml  farm example: no mistake\n"
    )


def test_init_never_writes_over_a_file(farmctl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.yaml").write_text("mine")
    ran = farmctl("init")
    assert ran.status == 1
    assert "example.yaml is there already; nothing was written." in ran.err
    assert (tmp_path / "example.yaml").read_text() == "mine"
    assert not (tmp_path / "site.yaml").exists()


def test_init_into_a_folder_that_may_not_be_made(farmctl, tmp_path):
    (tmp_path / "file").write_text("")
    ran = farmctl("init", tmp_path / "file" / "below")
    assert ran.status == 1
    assert "Not a directory" in ran.err


def test_validate_names_every_mistake_in_all_files(farmctl, folder):
    (folder / "sandbox.yaml").write_text(
        "farm: sandbox\nkind: plane\nrouter: {image: openwrt, flavour: openwrt}\n"
        "pools:\n  wn: {image: debian, cpus: 1, memory: 1 gig, count: 2}\n"
    )
    (folder / "other.yaml").write_text("farm: Other\nrubbish: 1\n")
    ran = farmctl("validate", "sandbox.yaml", "other.yaml", "nowhere.yaml")
    assert ran.status == 2
    lines = ran.out.splitlines()
    assert any(line.startswith("sandbox.yaml:2:7  kind: ") for line in lines)
    assert any(
        line.startswith("sandbox.yaml:5:40  pools.wn.memory: ") for line in lines
    )
    assert any(line.startswith("other.yaml:2:1  rubbish: ") for line in lines)
    assert any(line.startswith("nowhere.yaml  ") for line in lines)
    assert "mistakes; nothing was sent to OpenNebula." in ran.err


def test_validate_holds_a_farm_against_its_site(farmctl, folder):
    text = (folder / "sandbox.yaml").read_text().replace("image: debian", "image: deb")
    (folder / "sandbox.yaml").write_text(text)
    ran = farmctl("validate", "sandbox.yaml")
    assert ran.status == 2
    assert "pools.wn.image: site torino has no image called 'deb'." in ran.out


def test_validate_without_a_site_says_so(farmctl, folder):
    (folder / "site.yaml").unlink()
    ran = farmctl("validate", "sandbox.yaml")
    assert ran.status == 0
    assert "as far as can be said without a site file" in ran.out


def test_validate_tells_of_a_site_that_is_wrong(farmctl, folder):
    (folder / "site.yaml").write_text("site: torino\n")
    ran = farmctl("validate", "sandbox.yaml")
    assert ran.status == 2
    assert "site.yaml:1:1  domain: " in ran.out


def test_validate_looks_at_the_key_of_the_sites_login(farmctl, folder):
    site = folder / "site.yaml"
    site.write_text(
        f"{site.read_text()}"
        f"admin: {{addresses: [192.0.2.0/24], ssh_keys: [{KEY}]}}\n"
        "login: {key_file: key.pub}\n"
    )
    (folder / "key.pub").write_text(f"{KEY}\n")
    ran = farmctl("validate", "site.yaml")
    assert ran.status == 2
    assert "site.yaml:12:19  login.key_file: " in ran.out
    assert "key.pub is a public key, and the private one belongs here." in ran.out


def test_validate_as_json(farmctl, folder):
    (folder / "bad.yaml").write_text("farm: bad\nkind: plain\n")
    ran = farmctl("validate", "--json", "sandbox.yaml", "bad.yaml")
    assert ran.status == 2
    assert ran.err == ""
    good, bad = ran.json["files"]
    assert ran.json["ok"] is False
    assert good == {
        "file": "sandbox.yaml",
        "kind": "farm",
        "name": "sandbox",
        "mistakes": [],
    }
    assert bad["name"] is None
    assert [each["path"] for each in bad["mistakes"]] == ["router"]
    assert set(bad["mistakes"][0]) == {
        "file",
        "line",
        "column",
        "path",
        "message",
        "hint",
    }


@pytest.mark.parametrize("which", ["farm", "site"])
def test_schema_is_json_schema(farmctl, which):
    ran = farmctl("schema", which)
    assert ran.status == 0
    assert json.loads(ran.out)["$schema"].endswith("2020-12/schema")
    assert which in json.loads(ran.out)["properties"]


def test_hostile_names_steer_no_terminal(farmctl, folder):
    name = "x\x1b[31m\x07.yaml"
    ran = farmctl("validate", name)
    assert ran.status == 2
    assert "\x1b" not in ran.out
    assert "<U+001B>" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("plan", "a.yaml", "b.yaml", "--out", "c"),
        ("apply", "sandbox.yaml", "--timeout", "soon"),
        ("scale", "sandbox", "wn"),
        ("scale", "sandbox", "wn", "-1"),
        ("scale", "sandbox", "wn", "many"),
        ("schema", "router"),
        ("completion", "tcsh"),
        ("status", "--nonsense"),
        ("status", "a", "b"),
    ],
)
def test_wrong_usage_has_status_2_and_says_what(farmctl, folder, arguments):
    ran = farmctl(*arguments)
    assert ran.status == 2
    assert ran.err.strip()


@pytest.mark.parametrize(
    "arguments", [("status",), ("plan", "x.yaml"), ("destroy", "x"), ("explain", "x")]
)
def test_without_a_site_every_command_says_what_to_do(
    farmctl, tmp_path, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    ran = farmctl(*arguments)
    assert ran.status == 2
    assert "farmctl init" in ran.err
    assert "$FARMCTL_SITE" in ran.err


def test_mistakes_come_before_any_question_to_the_cloud(farmctl, folder, monkeypatch):
    monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:9/RPC2")
    (folder / "one.yaml").write_text("farm: one\n")
    (folder / "two.yaml").write_text("farm: two\nkind: what\n")
    ran = farmctl("apply", "--yes", "one.yaml", "two.yaml", "sandbox.yaml")
    assert ran.status == 2
    assert "one.yaml" in ran.err
    assert "two.yaml:2:7" in ran.err
    assert "sandbox.yaml" not in ran.err


def test_one_farm_in_two_files_is_refused(farmctl, folder):
    (folder / "again.yaml").write_text((folder / "sandbox.yaml").read_text())
    ran = farmctl("apply", "--yes", "sandbox.yaml", "again.yaml")
    assert ran.status == 2
    assert "sandbox.yaml and again.yaml are both about the farm sandbox." in ran.err


def test_errors_are_told_as_json_too(farmctl, folder):
    ran = farmctl("plan", "--json", "nowhere.yaml")
    assert ran.status == 2
    assert ran.json["command"] == "plan"
    assert ran.json["error"]["kind"] == "Input"
    assert ran.json["error"]["mistakes"][0]["file"] == "nowhere.yaml"
    assert "nowhere.yaml" in ran.err
