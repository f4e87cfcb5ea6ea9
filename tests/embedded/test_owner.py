import os
import subprocess
import sys
import time
from pathlib import Path

from farmctl.embedded import process
from farmctl.testing import fast_settings

STARTS_ONE = """
import sys
from pathlib import Path
from farmctl.embedded import process
from farmctl.testing import fast_settings
print(process.start(fast_settings(Path(sys.argv[1]))).pid, flush=True)
sys.stdin.read()
"""


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_cloud_ends_with_the_test_run_that_was_killed(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        server = int(run.stdout.readline())
        assert _runs(server)
        run.kill()
    ends = time.monotonic() + 20
    while _runs(server) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _runs(server)


def test_a_cloud_without_an_owner_outlives_whoever_started_it(tmp_path):
    settings = fast_settings(tmp_path, owner=0)
    server = process.start(settings).pid
    assert server != os.getpid()
    assert process.status(settings).pid == server
    process.stop(settings)
    assert process.status(settings) is None
