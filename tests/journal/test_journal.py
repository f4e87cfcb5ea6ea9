import errno
import json
import multiprocessing
import os
import stat
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl import journal
from farmctl.journal import GENESIS, Journal


class Turned:
    def __init__(self, at=1_000.0):
        self.at = at

    def __call__(self):
        self.at += 1
        return self.at


@pytest.fixture
def said():
    return []


@pytest.fixture
def kept(tmp_path, said):
    return Journal(tmp_path / "journal", now=Turned(), warn=said.append)


def events(kept, farm="taf", **bounds):
    return [each.event for each in kept.read(farm, **bounds)]


def test_what_was_recorded_is_read_back(kept):
    kept.record("taf", "step.done", "23 jobs wait", node="taf-wn-001", seconds=1.23456)
    (found,) = kept.read("taf")
    assert found.time == 1_001.0
    assert found.farm == "taf"
    assert found.event == "step.done"
    assert found.because == "23 jobs wait"
    assert found.values == {"node": "taf-wn-001", "seconds": 1.235}
    assert found.previous == GENESIS
    assert found.holds


def test_only_its_owner_reads_a_journal(kept):
    kept.record("taf", "a", "b")
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.file("taf").stat().st_mode) == 0o600


def test_each_farm_has_a_file_of_its_own(kept):
    kept.record("taf", "one", "")
    kept.record("m5l", "two", "")
    assert kept.farms() == ("m5l", "taf")
    assert events(kept, "m5l") == ["two"]
    assert events(kept, "none") == []


def test_a_name_cannot_climb_out_of_the_folder(kept):
    kept.record("../../etc/passwd", "a", "")
    assert [each.parent for each in kept.path.rglob("*.jsonl")] == [kept.path]


def test_records_are_found_by_time(kept):
    for event in ("a", "b", "c", "b"):
        kept.record("taf", event, "")
    assert events(kept, since=1_002) == ["b", "c", "b"]
    assert events(kept, until=1_003) == ["a", "b", "c"]
    assert events(kept, since=1_002, until=1_002) == ["b"]
    assert kept.at("taf", 1_003.5).event == "c"
    assert kept.at("taf", 1_003.5, event="b").time == 1_002
    assert kept.at("taf", 999) is None


def test_records_are_chained(kept):
    for event in "abc":
        kept.record("taf", event, "")
    first, second, third = kept.read("taf")
    assert second.previous == first.hash
    assert third.previous == second.hash
    assert kept.verify("taf") == journal.Verdict(records=3)


def test_a_changed_record_is_noticed(kept):
    for event in "abc":
        kept.record("taf", event, "why")
    path = kept.file("taf")
    lines = path.read_text().splitlines()
    changed = json.loads(lines[1]) | {"because": "something else"}
    path.write_text("\n".join([lines[0], json.dumps(changed), lines[2]]) + "\n")
    assert kept.verify("taf").faults == ("line 2: was changed after it was written",)


def test_a_record_that_was_taken_out_is_noticed(kept):
    for event in "abc":
        kept.record("taf", event, "why")
    path = kept.file("taf")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[2]]) + "\n")
    assert kept.verify("taf").faults == ("line 2: what stood before it was taken out",)


@pytest.mark.parametrize("keep", [1, 20, 150])
def test_a_torn_last_line_is_survived(kept, keep):
    kept.record("taf", "a", "")
    whole = kept.file("taf").read_bytes()
    kept.file("taf").write_bytes(whole + whole[:keep])
    assert events(kept) == ["a"]
    kept.record("taf", "b", "")
    assert events(kept) == ["a", "b"]
    first, second = kept.read("taf")
    assert second.previous == first.hash
    verdict = kept.verify("taf")
    assert verdict.records == 2
    assert len(verdict.faults) == 1
    assert verdict.faults[0].startswith("line 2: no JSON")


def test_a_journal_of_rubbish_begins_anew(kept):
    kept.path.mkdir(mode=0o700)
    kept.file("taf").write_bytes(b"\xff\x00rubbish\n" * 20_000)
    kept.record("taf", "a", "")
    assert events(kept) == ["a"]


def test_a_long_record_before_is_found_again(kept):
    kept.record("taf", "a", "", many=["x" * 1_900] * 150)
    kept.record("taf", "b", "")
    assert kept.verify("taf").holds


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path, said):
    (tmp_path / "file").write_text("")
    kept = Journal(tmp_path / "file" / "journal", now=Turned(), warn=said.append)
    kept.record("taf", "a", "")
    kept.record("taf", "b", "")
    assert len(said) == 1
    assert said[0].startswith("The journal cannot be written: ")
    assert events(kept) == []


def test_a_full_disk_is_said_once_and_breaks_nothing(kept, said, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    kept.record("taf", "a", "")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        kept.record("taf", "b", "")
        kept.record("taf", "c", "")
    kept.record("taf", "d", "")
    (message,) = said
    assert message == (
        "The journal cannot be written: [Errno 28] No space left on device. "
        "Going on without."
    )
    assert events(kept) == ["a", "d"]


def test_half_a_line_is_taken_back_when_the_disk_is_full(kept, said, monkeypatch):
    whole = os.write

    def half(descriptor, data):
        return whole(descriptor, data[:10])

    kept.record("taf", "a", "")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        kept.record("taf", "b", "")
    kept.record("taf", "c", "")
    assert len(said) == 1
    assert kept.verify("taf") == journal.Verdict(records=2)


def test_a_link_in_its_place_is_not_followed(kept, tmp_path, said):
    kept.path.mkdir(mode=0o700)
    kept.file("taf").symlink_to(tmp_path / "elsewhere")
    kept.record("taf", "a", "")
    assert not (tmp_path / "elsewhere").exists()
    assert len(said) == 1


def test_secrets_are_not_written_down(kept):
    kept.record(
        "taf",
        "a",
        "",
        password="hunter2",
        nested={"ONEGATE_TOKEN": "t0k3n", "list": [{"one_auth": "a:b"}]},
    )
    text = kept.file("taf").read_text()
    assert "hunter2" not in text
    assert "t0k3n" not in text
    assert "a:b" not in text
    (found,) = kept.read("taf")
    assert found.values["password"] == "(not written down)"


def test_long_values_are_cut(kept):
    kept.record("taf", "a", "x" * 9_000, many=list(range(1_000)))
    (found,) = kept.read("taf")
    assert len(found.because) == 2_000
    assert found.because.endswith("…")
    assert found.values["many"][-1] == "… 800 more"


@settings(max_examples=100, deadline=None)
@given(
    because=st.text(),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
)
def test_anything_can_be_recorded(tmp_path_factory, because, value):
    said = []
    path = tmp_path_factory.mktemp("journal")
    kept = Journal(path, now=Turned(), warn=said.append)
    kept.record("taf", "a", because, value=value)
    kept.record("taf", "b", because, value=value)
    assert said == []
    assert kept.verify("taf") == journal.Verdict(records=2)


def test_threads_append_whole_lines(kept):
    def write(name):
        for number in range(50):
            kept.record("taf", name, "", number=number)

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert kept.verify("taf") == journal.Verdict(records=400)


def _write(path, name):
    kept = Journal(path, now=Turned(), warn=print)
    for number in range(50):
        kept.record("taf", name, "", number=number)


def test_processes_append_whole_lines(kept):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_write, args=(kept.path, f"p{n}")) for n in range(3)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join(timeout=60)
    assert kept.verify("taf") == journal.Verdict(records=150)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        (
            {"XDG_STATE_HOME": "/state", "HOME": "/people/tina"},
            "/state/farmctl/journal",
        ),
        ({"HOME": "/people/tina"}, "/people/tina/.local/state/farmctl/journal"),
        (
            {"XDG_STATE_HOME": "relative", "HOME": "/people/tina"},
            "/people/tina/.local/state/farmctl/journal",
        ),
    ],
)
def test_where_journals_are_kept(environment, wanted):
    assert str(journal.folder(environment)) == wanted


def grown(tmp_path, count, largest=2_000):
    kept = Journal(tmp_path / "journal", now=Turned(), largest=largest)
    for number in range(count):
        kept.record("taf", f"e{number}", "why")
    return kept


def test_a_full_file_is_put_aside_and_the_chain_goes_on(tmp_path):
    kept = grown(tmp_path, 20)
    assert [each.name for each in kept.files("taf")] == [
        "taf.jsonl.2",
        "taf.jsonl.1",
        "taf.jsonl",
    ]
    told = [each for each in events(kept) if each != "journal goes on"]
    assert told == [f"e{number}" for number in range(20)]
    assert kept.verify("taf") == journal.Verdict(records=22)
    assert kept.farms() == ("taf",)


def test_a_journal_has_a_bound_and_says_that_it_began_earlier(tmp_path):
    kept = grown(tmp_path, 200)
    assert len(kept.files("taf")) == 4
    assert sum(each.stat().st_size for each in kept.path.iterdir()) < 10_000
    verdict = kept.verify("taf")
    assert verdict.holds
    assert verdict.rotated
    assert events(kept)[-1] == "e199"


def test_what_is_taken_out_of_a_file_put_aside_is_noticed(tmp_path):
    kept = grown(tmp_path, 20)
    aside = kept.files("taf")[1]
    lines = aside.read_text().splitlines(keepends=True)
    aside.write_text("".join(lines[:1] + lines[2:]))
    assert kept.verify("taf").faults == (
        "taf.jsonl.1, line 2: what stood before it was taken out",
    )


def test_a_whole_file_that_was_taken_out_is_noticed(tmp_path):
    kept = grown(tmp_path, 20)
    kept.files("taf")[1].unlink()
    assert kept.verify("taf").faults == ("line 1: what stood before it was taken out",)


def test_killed_between_putting_aside_and_the_next_file_nothing_is_lost(tmp_path):
    kept = grown(tmp_path, 5, largest=1_000_000)
    os.link(kept.file("taf"), kept.file("taf").with_name("taf.jsonl.1"))
    kept.file("taf").with_name("taf.jsonl.new").write_text("half a li")
    assert events(kept) == [f"e{number}" for number in range(5)]
    small = Journal(kept.path, now=Turned(2_000.0), largest=100)
    small.record("taf", "after", "")
    assert events(kept) == [*(f"e{n}" for n in range(5)), "journal goes on", "after"]
    assert kept.verify("taf").holds


def rotate_in_a_process(path, number):
    kept = Journal(path, now=Turned(), largest=3_000)
    for each in range(40):
        kept.record("taf", f"p{number}.{each}", "x")


def test_processes_that_rotate_at_once_lose_no_record_of_the_files_kept(tmp_path):
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=rotate_in_a_process, args=(tmp_path, number))
        for number in range(3)
    ]
    for each in started:
        each.start()
    for each in started:
        each.join(20)
        assert each.exitcode == 0
    kept = Journal(tmp_path, now=Turned())
    verdict = kept.verify("taf")
    assert verdict.faults == ()
    assert verdict.rotated
