"""What was answered is there again, whatever happens to the server."""

from farmctl.testing import OpenNebula

VM = 'NAME="{}"\nCPU="1"\nMEMORY="1024"'


def state(cloud: OpenNebula, vm: int) -> int:
    [found] = [v for v in cloud.dump("VM")["VM"] if v["id"] == vm]
    return found["lcm"] if found["state"] == 3 else -found["state"]


def test_everything_is_there_after_a_kill(opennebula):
    cloud = opennebula
    document = cloud.call("one.document.allocate", 'NAME="farm"\nBODY="{}"', 4270)
    vm = cloud.call("one.vm.allocate", VM.format("a"), True)
    before = {kind: items for kind, items in cloud.dump().items() if kind != "HOST"}
    info = cloud.call("one.document.info", document, False)
    endpoint, session = cloud.endpoint, cloud.session
    cloud.kill()
    cloud.start()
    assert (cloud.endpoint, cloud.session) == (endpoint, session)
    after = {kind: items for kind, items in cloud.dump().items() if kind != "HOST"}
    assert after == before
    assert cloud.call("one.document.info", document, False) == info
    assert cloud.call("one.vm.allocate", VM.format("b"), True) == vm + 1


def test_steps_that_were_under_way_go_on(opennebula):
    cloud = opennebula
    cloud.set_scale(0)
    vm = cloud.call("one.vm.allocate", VM.format("a"), True)
    cloud.call("one.vm.deploy", vm, 0, False, -1, "")
    prolog, running = 1, 3
    assert state(cloud, vm) == prolog
    cloud.kill()
    cloud.start()
    cloud.turn(5)
    assert state(cloud, vm) == running


def test_the_clock_goes_on_where_it_was(opennebula):
    cloud = opennebula
    cloud.turn(86400)
    before = cloud.now()
    cloud.stop()
    cloud.start()
    assert before <= cloud.now() < before + 60
    cloud.turn(86400)
    before = cloud.now()
    cloud.kill()
    cloud.start()
    assert before <= cloud.now() < before + 60


def test_what_is_scheduled_fires_after_a_restart(opennebula):
    cloud = opennebula
    vm = cloud.call("one.vm.allocate", VM.format("a"), True)
    when = int(cloud.now()) + 3600
    action = f'SCHED_ACTION=[ACTION="terminate",TIME="{when}"]'
    cloud.call("one.vm.schedadd", vm, action)
    cloud.kill()
    cloud.start()
    cloud.turn(3700)
    done = 6
    assert state(cloud, vm) == -done


def test_a_refused_call_leaves_nothing_behind(opennebula):
    cloud = opennebula
    before = cloud.dump()
    before.pop("HOST")
    text = VM.format("a") + '\nNIC=[NETWORK="public"]\nDISK=[IMAGE_ID="77"]'
    answer = cloud.raw("one.vm.allocate", text, True)
    assert answer[0] is False
    after = cloud.dump()
    after.pop("HOST")
    assert after == before


def test_a_reset_forgets_everything_but_the_password(opennebula):
    cloud = opennebula
    session = cloud.session
    cloud.call("one.vm.allocate", VM.format("a"), True)
    cloud.reset()
    assert cloud.session == session
    assert cloud.dump("VM")["VM"] == []
    assert cloud.call("one.vm.allocate", VM.format("a"), True) == 0
