"""Where a node's memory and processes can be bounded, and with what."""

import pytest

from farmctl.embedded.netns.bounds import Bounds, Hierarchy, hierarchies

OLD = """\
proc /proc proc rw 0 0
cgroup {folder}/cpu cgroup rw,cpu 0 0
cgroup {folder}/memory cgroup rw,relatime,memory 0 0
cgroup {folder}/pids cgroup rw,pids 0 0
"""
NEW = "cgroup2 {folder} cgroup2 rw,nosuid 0 0\n"


def test_with_the_old_interface_it_is_below_ones_own_group(tmp_path):
    (tmp_path / "memory" / "mine").mkdir(parents=True)
    found = list(
        hierarchies(OLD.format(folder=tmp_path), "4:memory:/mine\n8:pids:/gone\n")
    )
    assert [(each.folder, each.controllers, each.unified) for each in found] == [
        (tmp_path / "memory" / "mine", ("memory",), False),
        (tmp_path / "pids", ("pids",), False),
    ]


def test_with_the_new_interface_one_folder_has_both(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    (found,) = hierarchies(NEW.format(folder=tmp_path), "0::/user.slice\n")
    assert found == Hierarchy(
        folder=tmp_path, controllers=("memory", "pids"), unified=True
    )


def test_where_the_new_one_has_no_controllers_the_old_one_is_taken(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("\n")
    text = NEW.format(folder=tmp_path) + OLD.format(folder=tmp_path)
    found = list(hierarchies(text, "0::/\n"))
    assert [each.controllers for each in found] == [("memory",), ("pids",)]


@pytest.mark.parametrize(
    ("unified", "memory", "expected"),
    [
        (True, 2048, {"memory.max": "2147483648", "pids.max": "4096"}),
        (False, 2048, {"memory.limit_in_bytes": "2147483648", "pids.max": "4096"}),
        (False, 64, {"memory.limit_in_bytes": "536870912", "pids.max": "4096"}),
    ],
)
def test_a_node_may_take_its_memory_and_never_less_than_it_needs(
    tmp_path, unified, memory, expected
):
    place = Hierarchy(folder=tmp_path, controllers=("memory", "pids"), unified=unified)
    assert place.limits(memory) == expected


def test_a_node_is_put_under_its_bounds_and_the_next_keeper_removes_the_rest(tmp_path):
    place = Hierarchy(folder=tmp_path, controllers=("pids",), unified=False)
    bounds = Bounds((place,), "farmctl-x")
    assert bounds.bounded == ("pids",)
    bounds.take(7, 4711, 256)
    group = tmp_path / "farmctl-x" / "7"
    assert {each.name: each.read_text() for each in group.iterdir()} == {
        "pids.max": "4096",
        "cgroup.procs": "4711",
    }
    for each in group.iterdir():
        each.unlink()  # the kernel's files are no hindrance to rmdir; these are
    again = Bounds((place,), "farmctl-x")
    assert not group.exists()
    again.close()
    assert not (tmp_path / "farmctl-x").exists()
    bounds.close()


def test_where_nothing_can_be_made_nothing_is_bounded(tmp_path):
    (tmp_path / "file").write_text("")
    nowhere = Hierarchy(
        folder=tmp_path / "file", controllers=("memory",), unified=False
    )
    bounds = Bounds((nowhere,), "farmctl-x")
    assert bounds.bounded == ()
    bounds.take(7, 4711, 256)
    bounds.close()
