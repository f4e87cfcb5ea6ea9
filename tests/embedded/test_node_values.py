"""Real nodes without root: what the keeper is told, and what is written for guests."""

import asyncio
import json
import os
import subprocess

import pytest

from farmctl.assembly import carried
from farmctl.embedded.netns import kernel, looking
from farmctl.embedded.netns.messages import Disk, Nic, Spec
from farmctl.embedded.netns.storage import NoDiskError, Storage, root_of
from farmctl.embedded.settings import Settings
from farmctl.errors import NotPossibleError

NIC = Nic(
    nic_id=0,
    network_id=3,
    bridge="br3",
    mac="02:00:ac:10:28:01",
    addresses=("172.16.40.1",),
    filter_mac=True,
    rules=({"PROTOCOL": "ALL", "RULE_TYPE": "INBOUND"},),
)
SPEC = Spec(
    vm=7,
    name="alice",
    disks=(Disk(disk_id=0, image_id=4, path="tree:debian-12"),),
    nics=(NIC,),
    context={"NAME": "it's a $(trap) `here`\n"},
    token="secret",
)


def test_a_spec_crosses_the_socket_unchanged():
    assert Spec.from_json(json.loads(json.dumps(SPEC.to_json()))) == SPEC
    alone = Spec(vm=1, name="bare", nics=(Nic(**{**_plain(NIC), "rules": None}),))
    assert Spec.from_json(json.loads(json.dumps(alone.to_json()))) == alone


def test_the_context_is_quoted_for_the_shell_and_private(tmp_path):
    storage = Storage(tmp_path)
    storage.write_context(SPEC)
    file = storage.of(7) / "context" / "context.sh"
    assert file.stat().st_mode & 0o777 == 0o600
    words = ["sh", "-c", f'. {file}; printf %s "$NAME"']
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert told == "it's a $(trap) `here`\n"
    assert (file.parent / "token.txt").read_text() == "secret"
    storage.write_context(Spec(vm=7, name="alice"))
    assert not (file.parent / "token.txt").exists()


def test_a_start_removes_what_belongs_to_nobody_any_more(tmp_path):
    storage = Storage(tmp_path)
    for vm in (1, 2):
        (storage.of(vm) / "disk-0" / "upper").mkdir(parents=True)
    (tmp_path / "images" / "5" / "upper").mkdir(parents=True)
    (tmp_path / "nodes" / "mine").mkdir()
    asyncio.run(storage.tidy([2], []))
    assert sorted(p.name for p in (tmp_path / "nodes").iterdir()) == ["2", "mine"]
    assert not list((tmp_path / "images").iterdir())


def test_what_a_persistent_disk_holds_goes_back_to_its_image(tmp_path):
    storage = Storage(tmp_path)
    disk = Disk(disk_id=1, image_id=5, persistent=True)
    (storage.of(7) / "media").mkdir(parents=True)
    asyncio.run(storage.attach(SPEC, disk))
    (storage.of(7) / "media" / "one-disk.1" / "note").write_text("kept")
    asyncio.run(storage.remove(7))
    assert not storage.of(7).exists()
    assert (tmp_path / "images" / "5" / "data" / "note").read_text() == "kept"


def test_a_disk_snapshot_holds_what_was_written_until_then(tmp_path):
    storage = Storage(tmp_path)
    upper = storage.of(7) / "disk-0" / "upper"
    upper.mkdir(parents=True)
    (upper / "note").write_text("before")
    asyncio.run(storage.snapshot(SPEC, 0, 3, "create"))
    (upper / "note").write_text("after")
    asyncio.run(storage.snapshot(SPEC, 0, 3, "revert"))
    assert (upper / "note").read_text() == "before"
    asyncio.run(storage.snapshot(SPEC, 0, 3, "delete"))
    with pytest.raises(NoDiskError, match="there is no disk 9"):
        asyncio.run(storage.snapshot(SPEC, 9, 0, "create"))


def test_a_vm_boots_from_its_first_disk_and_needs_one():
    assert root_of(SPEC).image_id == 4
    with pytest.raises(NoDiskError, match="no disk with an image to boot from"):
        root_of(Spec(vm=1, name="bare", disks=(Disk(disk_id=0),)))


def test_a_node_is_found_by_id_and_name_while_its_process_lives(tmp_path):
    place = tmp_path / "nodes" / "7"
    place.mkdir(parents=True)
    own = {"name": "alice", "pid": os.getpid(), "start": kernel.started_at(os.getpid())}
    (place / "node.json").write_text(json.dumps(own))
    assert looking.find(tmp_path, "alice") == looking.find(tmp_path, "7")
    (place / "node.json").write_text(json.dumps({**own, "start": 1}))
    with pytest.raises(NotPossibleError, match="No node is called 'alice'"):
        looking.find(tmp_path, "alice")


def test_the_settings_of_nodes_are_remembered(tmp_path):
    settings = Settings.of_nodes(directory=tmp_path, public_network="198.51.100.0/24")
    assert Settings.from_json(settings.to_json()) == settings
    assert settings.real
    assert (settings.service_hosts, settings.worker_hosts) == (2, 4)


def test_what_vms_are_is_settled_at_the_first_start(tmp_path):
    last = Settings(directory=tmp_path)
    wished = carried.wished(last, driver="netns", public_network=None)
    assert (wished.driver, wished.worker_hosts) == ("netns", 4)
    again = carried.wished(wished, driver=None, public_network=None)
    assert again == wished
    wished.database.touch()
    with pytest.raises(NotPossibleError, match="made with driver netns"):
        carried.wished(wished, driver="dummy", public_network=None)


def _plain(nic: Nic) -> dict[str, object]:
    return {name: getattr(nic, name) for name in Nic.__slots__}
