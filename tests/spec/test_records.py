import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.errors import InputError
from farmctl.spec import Farm, canonical, from_canonical, parse_farm


def test_a_record_says_everything_in_words(farm_text):
    assert canonical(parse_farm(farm_text)) == {
        "v": 1,
        "farm": {
            "farm": "alice-wn",
            "kind": "batch",
            "network": "auto",
            "router": {
                "image": "openwrt",
                "flavour": "openwrt",
                "public_address": "auto",
                "cpus": 1,
                "memory": "192MiB",
                "dhcp_open": False,
                "forwards": [
                    {
                        "name": "ssh",
                        "port": 2222,
                        "protocol": "tcp",
                        "to": "head",
                        "to_port": 22,
                        "from": ["192.0.2.0/24"],
                    }
                ],
            },
            "head": {
                "image": "head-el9",
                "cpus": 4,
                "memory": "8GiB",
                "disk": "40GiB",
            },
            "pools": {
                "wn": {
                    "image": "wn-el9",
                    "cpus": 6,
                    "memory": "15GiB",
                    "disk": "120GiB",
                    "count": {"min": 0, "max": 40},
                }
            },
            "batch": "slurm",
            "lease": {"expires_in": "7d"},
            "ssh_keys": [],
            "variables": {},
        },
        "pools": ["wn"],
    }


def test_pools_come_back_in_the_order_of_the_file(farm_text):
    farm = parse_farm(farm_text)
    shape = farm.pools["wn"]
    farm = farm.model_copy(update={"pools": {"wn": shape, "big": shape, "a": shape}})
    kept = json.loads(json.dumps(canonical(farm), sort_keys=True))
    assert list(from_canonical(kept).pools) == ["wn", "big", "a"]
    del kept["pools"]  # as an earlier farmctl wrote it
    assert list(from_canonical(kept).pools) == ["a", "big", "wn"]
    kept["pools"] = [["wn"], "gone", "big", 7]
    assert list(from_canonical(kept).pools) == ["big", "a", "wn"]


names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("head", "router")
)
amounts = st.integers(1, 2**20).map(lambda mib: f"{mib}MiB")
machines = {"image": names, "cpus": st.integers(1, 64), "memory": amounts}
options = {"disk": amounts, "readiness": st.sampled_from(["onegate", "running"])}
counts = st.integers(0, 60).flatmap(
    lambda low: (
        st.fixed_dictionaries({"min": st.just(low), "max": st.integers(low, 60)})
        | st.just(low)
    )
)
farms = st.fixed_dictionaries(
    {
        "farm": names,
        "kind": st.sampled_from(["plain", "pilot", "imaging", "interactive"]),
        "router": st.fixed_dictionaries(
            {"image": names, "flavour": st.sampled_from(["openwrt", "debian"])},
            optional={"memory": amounts, "dhcp_open": st.booleans()},
        ),
        "pools": st.dictionaries(
            names,
            st.fixed_dictionaries({**machines, "count": counts}, optional=options),
            max_size=4,
        ),
    },
    optional={
        "head": st.fixed_dictionaries(machines, optional=options),
        "lease": st.integers(1, 10**7).map(lambda s: {"expires_in": f"{s}s"}),
        "variables": st.dictionaries(
            st.from_regex(r"X[A-Z0-9_]{0,8}", fullmatch=True),
            st.text(st.characters(exclude_categories=["Cs", "Cc"])),
        ),
    },
)


@settings(deadline=None)
@given(farms)
def test_a_farm_comes_back_from_its_record(values):
    farm = Farm.model_validate(values)
    record = canonical(farm)
    stored = json.loads(json.dumps(record))
    assert from_canonical(stored) == farm
    assert canonical(from_canonical(stored)) == record


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (None, "is no record of a farm."),
        ({"farm": {}}, "is no record of a farm."),
        ({"v": 1, "farm": [1]}, "is no record of a farm."),
        ({"v": 2, "farm": {}}, "has version 2; this farmctl reads version 1."),
    ],
)
def test_a_record_that_is_none_is_refused(record, said):
    with pytest.raises(InputError) as caught:
        from_canonical(record)
    assert [mistake.message for mistake in caught.value.mistakes] == [said]


def test_a_damaged_record_is_told_like_a_file(farm_text):
    record = canonical(parse_farm(farm_text))
    record["farm"]["pools"]["wn"]["memory"] = "15 gigs"
    record["farm"]["router"]["forwards"][0]["to"] = 7
    with pytest.raises(InputError) as caught:
        from_canonical(record)
    assert {mistake.path for mistake in caught.value.mistakes} == {
        "pools.wn.memory",
        "router.forwards[0].to",
    }


def test_a_record_that_breaks_a_rule_is_told_like_a_file(farm_text):
    record = canonical(parse_farm(farm_text))
    record["farm"]["router"]["forwards"][0]["to"] = "wn"
    with pytest.raises(InputError) as caught:
        from_canonical(record)
    [mistake] = caught.value.mistakes
    assert mistake.message == "'wn' is a whole pool; a forward leads to one node."
