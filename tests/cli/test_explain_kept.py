"""`farmctl explain` of a farm that a daemon keeps: here, elsewhere, and in the past."""

import time
from pathlib import Path

import pytest

from farmctl.cloud.opennebula import connect
from farmctl.journal import Journal
from farmctl.model import keeping
from farmctl.model.attributes import Kind
from farmctl.model.keeping import Load
from farmctl.model.nodes import Tag
from farmctl.model.standing import (
    KEY,
    VERDICT,
    Due,
    PoolStanding,
    Queued,
    Standing,
    as_json,
)
from farmctl.model.view import Holder


def standing(at, **more):
    return Standing(
        **{
            "at": at,
            "host": "keeper",
            "pid": 12,
            "system": "Slurm 22.05.8",
            "truth": at,
            "waiting": 24,
            "running": 12,
            "oldest": at - 60,
            "pools": (
                PoolStanding(
                    pool="wn",
                    size=5,
                    least=2,
                    most=5,
                    slots=1,
                    states={"ready": 2, "booting": 3},
                    limit="3 boots of its image failed in a row on wrk-01",
                    until=at + 500,
                    shunned={"wrk-01": "2 boots of this image in a row failed on it"},
                ),
            ),
            "queue": (Queued(owner="ann", slots=6, count=4, jobs=4, since=at - 60),),
            "never": ("1 job of bob can never run here: it asks for 64 GiB",),
            "decided": ("start 3 of wn: 24 slots of work wait",),
            "less": "2 of 5 work; 3 on the way, for work that waits",
            "next": (Due(what="sandbox-wn-003 takes work", at=at + 120),),
            "price": 1.0,
            **more,
        }
    )


def write(folder, at, event, because="", **values):
    Journal(folder, now=lambda: at).record("sandbox", event, because, **values)


@pytest.fixture
def sandbox(cloud, folder, farmctl):
    ran = farmctl("apply", "--yes", "sandbox.yaml")
    assert ran.status == 0, ran.err
    return cloud


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "state" / "farmctl" / "journal"


def beat(cloud, *, at):
    speaker = connect(cloud.endpoint, str(cloud.auth_file), patience=1.0)
    holder = Holder(host="keeper", boot="b", pid=12, started="s", nonce="x", beat=1)
    made = speaker.create(Kind.DOCUMENT, f"{keeping.PREFIX}x", Tag(farm=""), {})
    farms = {"sandbox": Load(waiting=30, running=11, truth=at - 1)}
    speaker.write_document(made, keeping.body(farms, at=at), holder)
    speaker.close()


def note(cloud, value):
    """Write a standing into the farm's document, as a daemon elsewhere does."""
    speaker = connect(cloud.endpoint, str(cloud.auth_file), patience=1.0)
    found = speaker.look().farm("sandbox").document
    speaker.write_document(found.id, {**found.body, KEY: as_json(value)}, found.holder)
    speaker.close()


def test_on_the_daemons_machine_the_journal_says_why(sandbox, mine, farmctl):
    now = time.time()
    write(mine, now - 40, VERDICT, "start 3", **{KEY: as_json(standing(now - 40))})
    beat(sandbox, at=now - 2)
    out = farmctl("explain", "sandbox").out
    assert "As farmctl serve on keeper (process 12) found it at " in out
    assert f"read from the journal {mine / 'sandbox.jsonl'}." in out
    assert "Nothing of importance has changed since; it was heard" in out
    assert ": 30 slots of work wait, 11 run" in out
    assert "ann: 4 x 6 cores wait since " in out
    assert "1 job of bob can never run here: it asks for 64 GiB." in out
    assert "5 of at most 5 were decided from its queue, at 1 core-h an hour." in out
    assert "Why not more? 3 boots of its image failed in a row on wrk-01, until" in out
    assert "The limit: pools.wn.count.max is 5 (sandbox.yaml:" in out
    assert "Decided: start 3 of wn: 24 slots of work wait." in out
    assert "Why not fewer? 2 of 5 work; 3 on the way" in out
    assert "wrk-01 gets no new node of wn: 2 boots of this image" in out
    assert ": sandbox-wn-003 takes work" in out


def test_elsewhere_the_farms_document_says_why_and_how_old_it_is(sandbox, farmctl):
    note(sandbox, standing(time.time() - 300))
    ran = farmctl("explain", "sandbox")
    assert "read from the farm's document, 5 min" in ran.out
    assert "No daemon says that it keeps the farm now." in ran.out
    document = farmctl("explain", "sandbox", "--json").json
    assert document["daemon"]["source"] == "document"
    assert document["daemon"]["standing"]["waiting"] == 24
    assert farmctl("plan", "sandbox.yaml").out.endswith("Nothing to do: as declared.\n")


def test_the_newer_of_the_two_counts(sandbox, mine, farmctl):
    now = time.time()
    write(mine, now - 900, VERDICT, "", **{KEY: as_json(standing(now - 900))})
    note(sandbox, standing(now - 300))
    assert farmctl("explain", "sandbox", "--json").json["daemon"]["source"] == (
        "document"
    )


def test_a_farm_of_which_only_a_beat_is_known_says_where_its_reasons_are(
    sandbox, farmctl
):
    beat(sandbox, at=time.time())
    out = farmctl("explain", "sandbox").out
    assert "It is kept by farmctl serve on keeper (process 12)" in out
    assert farmctl("explain", "sandbox", "--json").json["daemon"] is None


def test_the_past_is_told_from_the_last_verdict_before_it(folder, tmp_path, farmctl):
    now = time.time()
    theirs = tmp_path / "var" / "journal"
    first = standing(now - 900, waiting=6, decided=("start 1 of wn: 6 slots wait",))
    second = standing(now - 300)
    write(theirs, now - 900, VERDICT, "", **{KEY: as_json(first)})
    write(theirs, now - 899, "nodes started", "6 slots wait", nodes=["sandbox-wn-003"])
    write(theirs, now - 300, VERDICT, "", **{KEY: as_json(second)})
    write(
        theirs, now - 200, "node ended", "drained and empty", subject="sandbox-wn-001"
    )
    ran = farmctl("explain", "sandbox", "--at", "10m", "--journal", theirs)
    assert f"Read: {theirs / 'sandbox.jsonl'}, 4 records, the chain holds." in ran.out
    assert ": 6 slots of work wait, 12 run" in ran.out
    assert "Decided: start 1 of wn: 6 slots wait." in ran.out
    assert "nodes started (sandbox-wn-003): 6 slots wait" in ran.out
    after = ran.out.partition("What was done next:")[2]
    assert "node ended (sandbox-wn-001): drained and empty" in after
    read = farmctl("explain", "sandbox", "--at", "10m", "--journal", theirs, "--json")
    assert read.json["daemon"]["standing"]["waiting"] == 6
    assert read.json["journal_files"] == [str(theirs / "sandbox.jsonl")]
    assert read.json["journal_holds"] is True


def test_a_broken_chain_is_said_and_the_rest_is_told(folder, mine, farmctl):
    now = time.time()
    for at in (now - 900, now - 800, now - 700):
        write(mine, at, VERDICT, "", **{KEY: as_json(standing(at))})
    path = Path(mine / "sandbox.jsonl")
    first, _, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + third + third[:40])
    out = farmctl("explain", "sandbox", "--at", "5m").out
    assert "2 records, the chain is broken." in out
    assert (
        "The journal does not hold: line 2: what stood before it was taken out" in out
    )
    assert "Decided: start 3 of wn" in out


@pytest.mark.parametrize("width", ["80", "60"])
def test_no_line_is_wider_than_the_terminal(sandbox, mine, farmctl, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("NO_COLOR", "1")
    now = time.time()
    write(mine, now - 40, VERDICT, "", **{KEY: as_json(standing(now - 40))})
    out = farmctl("explain", "sandbox").out
    lines = [each for each in out.splitlines() if str(mine) not in each]
    assert max(len(each) for each in lines if "/" not in each) <= int(width)
    assert "\x1b" not in out
