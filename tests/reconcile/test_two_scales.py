"""Two people who size two pools of one farm at once both get what they asked for."""

import threading

from rig import world_at

from farmctl.reconcile import Options, apply, declared, scale
from farmctl.spec import reading

FARM = """
farm: {name}
kind: plain
router: {{image: openwrt, flavour: openwrt, public_address: none}}
pools:
  a: {{image: wn, cpus: 1, memory: 256MiB, count: 1}}
  b: {{image: wn, cpus: 1, memory: 256MiB, count: 1}}
"""


def test_a_size_set_meanwhile_is_not_taken_back(own, name, make_world):
    world = make_world(own)
    apply(world, reading.parse_farm(FARM.format(name=name)))
    both = threading.Barrier(2)

    def size(pool, number):
        other = world_at(own.endpoint, own.auth_file, own.site)
        both.wait()
        scale(other, name, pool, number, Options(lock_wait=60.0))
        other.cloud.close()

    threads = [
        threading.Thread(target=size, args=each) for each in (("a", 3), ("b", 2))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pools = declared(world, name).pools
    assert (pools["a"].count.max, pools["b"].count.max) == (3, 2)
    names = sorted(vm.tag.pool for vm in world.cloud.look().farm(name).vms)
    assert names == ["", "a", "a", "a", "b", "b"]
