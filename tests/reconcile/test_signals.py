"""Ctrl-C and SIGTERM end a run in good order: nothing is left locked."""

import os
import signal

import pytest
from rig import act_until_told_to_end, farm_of, problems, settled

from farmctl.reconcile import apply


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_end_gives_the_lock_back(
    world, own, forking, opennebula, number
):
    order = {
        "endpoint": own.endpoint,
        "auth_file": own.auth_file,
        "site": own.site,
        "farm": "alice",
        "what": "apply",
    }
    with opennebula.fault("boot", effect="slow", seconds=20):
        process = forking.Process(target=act_until_told_to_end, args=(order,))
        process.start()
        while len(world.cloud.look().farm("alice").vms) < 4:
            assert process.is_alive()
        os.kill(process.pid, number)
        process.join(20)
        assert process.exitcode == 130
        process.close()
    (document,) = world.cloud.documents()
    assert (document.lock, document.holder) == (None, None)
    opennebula.turn(30)
    assert problems(apply(world, farm_of("alice"))) == []
    assert settled(world, "alice", size=2) == []
