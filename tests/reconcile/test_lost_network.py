"""A network whose making was not answered carries the farm's own group alone."""

from proxy import Mode, Proxy
from rig import farm_of, problems

from farmctl.reconcile import apply


class LosesTheNetwork(Proxy):
    """Drops the answer to the first network that is made."""

    def takes(self, method):
        if method != "one.vn.allocate" or self.hit.is_set():
            return False
        self.hit.set()
        return True


def test_no_node_gets_the_open_group_where_the_answer_to_the_network_is_lost(
    own, name, make_world
):
    with LosesTheNetwork(own.endpoint, mode=Mode.LOSE_ANSWER) as proxy:
        world = make_world(own, endpoint=proxy.endpoint)
        assert problems(apply(world, farm_of(name))) == []
        assert proxy.hit.is_set()
        farm = world.cloud.look().farm(name)
    (lan,) = (each.id for each in farm.groups if each.name == f"{name}-lan")
    assert farm.network.attributes["SECURITY_GROUPS"] == str(lan)
    carried = {
        nic.security_group_ids
        for vm in farm.vms
        for nic in vm.nics
        if nic.network_id == farm.network.id
    }
    assert carried == {(lan,)}
