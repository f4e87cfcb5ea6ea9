import gzip

import pytest

from farmctl.errors import InputError
from farmctl.simulate.reading import read
from farmctl.simulate.trace import Job

SWF = """; Version: 2
  1  10 5 100 4 -1 -1 4 -1 -1 1 7 1 -1 1 -1 -1 -1
  2  20 5  -1 4 -1 -1 4 -1 -1 0 7 1 -1 1 -1 -1 -1
  3  15 0  60 -1 -1 -1 2 -1 -1 1 8 1 -1 1 -1 -1 -1
"""

SACCT = """JobID|User|Submit|Elapsed|AllocCPUS|State
12|ann|2026-11-02T08:00:00|00:10:00|4|COMPLETED
12.batch||2026-11-02T08:00:01|00:10:00|4|COMPLETED
13|bob|2026-11-03T00:00:05|1-00:00:01|1|TIMEOUT
14|bob|2026-11-03T00:00:06|00:00:00|0|CANCELLED
"""


def test_csv_is_read_gzipped_and_sorted(tmp_path):
    path = tmp_path / "two.csv.gz"
    text = "# a comment\njob,submit,run,cores,user\nb,9,5.5,2,ann\na,3,1,1,bob\n"
    path.write_bytes(gzip.compress(text.encode()))
    trace = read(path)
    assert trace.name == "two"
    assert trace.jobs == (
        Job(name="a", submit=3.0, run=1.0, cores=1, user="bob"),
        Job(name="b", submit=9.0, run=5.5, cores=2, user="ann"),
    )


def test_swf_leaves_out_what_never_ran(tmp_path):
    path = tmp_path / "log.swf"
    path.write_text(SWF)
    assert [
        (job.name, job.submit, job.run, job.cores, job.user) for job in read(path).jobs
    ] == [
        ("1", 10.0, 100.0, 4, "7"),
        ("3", 15.0, 60.0, 2, "8"),
    ]


def test_sacct_counts_from_the_first_midnight_and_leaves_out_steps(tmp_path):
    path = tmp_path / "sacct.txt"
    path.write_text(SACCT)
    assert [
        (job.name, job.submit, job.run, job.cores, job.user) for job in read(path).jobs
    ] == [
        ("12", 28_800.0, 600.0, 4, "ann"),
        ("13", 86_405.0, 86_401.0, 1, "bob"),
    ]


def test_every_crooked_line_is_named_with_line_and_column(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(
        "job,submit,run,cores\n1,10,xx,1\n2,20,5\n3,-4,5,1\n4,5,6,two\n5,nan,6,1\n"
    )
    with pytest.raises(InputError) as caught:
        read(path)
    assert [(m.line, m.column, m.path) for m in caught.value.mistakes] == [
        (2, 6, "run"),
        (3, 6, ""),
        (4, 3, "submit"),
        (5, 7, "cores"),
        (6, 3, "submit"),
    ]
    assert caught.value.mistakes[0].message == "'xx' is no number of seconds."


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("job,submit", ["run", "cores"]),
        ("job,user", ["submit", "run", "cores"]),
        ("user,start,end", ["peak_cores"]),
    ],
)
def test_missing_columns_are_named(header, missing, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(f"{header}\n")
    with pytest.raises(InputError) as caught:
        read(path)
    assert [m.path for m in caught.value.mistakes] == missing


def test_a_session_reserves_its_most_cores_from_start_to_end(tmp_path):
    path = tmp_path / "sessions.csv"
    path.write_text("user,start,end,queries,peak_cores\nann,90,120.5,4,16\n")
    (job,) = read(path).jobs
    assert job == Job(name="2", submit=90.0, run=30.5, cores=16, user="ann")


def test_crooked_sessions_are_named_with_line_and_column(tmp_path):
    path = tmp_path / "sessions.csv"
    path.write_text("user,start,end,peak_cores\nann,90,80,4\nbob,9,x,0\n")
    with pytest.raises(InputError) as caught:
        read(path)
    assert [(m.line, m.column, m.path) for m in caught.value.mistakes] == [
        (2, 8, "end"),
        (3, 7, "end"),
        (3, 9, "peak_cores"),
    ]
    assert caught.value.mistakes[0].message == "80 is before its start."


def test_a_crooked_sacct_time_is_named(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("JobID|Submit|Elapsed|NCPUS\n1|yesterday|00:01:00|1\n")
    with pytest.raises(InputError, match="'yesterday' is no time"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"# only a comment\n", b"\xff\xfe\x00"])
def test_a_file_without_jobs_is_refused(tmp_path, content):
    path = tmp_path / "empty.csv"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read(path)


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.csv")
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        read(broken)
