"""The metrics, their dashboard and their page name the same things."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from farmctl.daemon import Meters, Told
from farmctl.model.sample import Start
from farmctl.model.standing import PoolStanding, Standing

ROOT = Path(__file__).parent.parent.parent
NAME = re.compile(r"farmctl_[a-z_]+")

POOL = PoolStanding(
    pool="wn",
    size=4,
    least=0,
    most=6,
    slots=1,
    limit="3 boots of its image failed in a row",
    tripped=1_600.0,
    shunned={"wrk-01": "2 boots failed on it"},
)
TOLD = Told(
    farm="taf",
    at=1_000.0,
    seconds=0.2,
    truth=995.0,
    sizes={"wn": 4},
    states={("wn", "ready"): 3, ("wn", "booting"): 1},
    waiting=12,
    running=3,
    oldest=900.0,
    decisions=(Start(pool="wn", count=1, because="work waits"),),
    boots=(280.0,),
    failed=2,
    lease_ends=9_000.0,
    standing=Standing(at=1_000.0, pools=(POOL,)),
)


@pytest.fixture
def meters():
    made = Meters()
    made.told(TOLD)
    made.called("one.vmpool.infoextended")
    made.looked(0.1)
    made.ages(cloud=999.0, farms={"taf": 995.0}, now=1_000.0)
    made.shared(living=2, mine=1)
    return made


def families(meters):
    port = meters.serve("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


def samples(meters):
    return {
        (each.name, tuple(sorted(each.labels.values()))): each.value
        for family in families(meters)
        for each in family.samples
    }


def test_what_a_round_tells_is_served(meters):
    found = samples(meters)
    assert found["farmctl_nodes", ("booting", "taf", "wn")] == 1
    assert found["farmctl_size", ("taf", "wn")] == 4
    assert found["farmctl_slots", ("taf", "waiting")] == 12
    assert found["farmctl_oldest_wait_seconds", ("taf",)] == 100
    assert found["farmctl_age_of_truth_seconds", ("taf",)] == 5
    assert found["farmctl_limited", ("taf", "wn")] == 1
    assert found["farmctl_breaker_open", ("taf", "wn")] == 1
    assert found["farmctl_hypervisors_shunned", ("taf", "wn")] == 1
    assert found["farmctl_boots_failed_total", ("taf",)] == 2
    assert found["farmctl_decisions_total", ("start", "taf")] == 1
    assert found["farmctl_boot_seconds_sum", ("taf",)] == 280
    calls = found["farmctl_opennebula_calls_total", ("one.vmpool.infoextended",)]
    assert calls == 1
    assert found["farmctl_daemons", ()] == 2


def test_a_farm_that_is_another_daemons_is_shown_no_more(meters):
    meters.forget(["taf"])
    left = [
        each.name
        for family in families(meters)
        if family.type == "gauge"
        for each in family.samples
        if each.labels.get("farm") == "taf" and not each.name.endswith("_created")
    ]
    assert left == []


def test_names_follow_the_conventions_of_prometheus(meters):
    for family in families(meters):
        assert family.name.startswith("farmctl_"), family.name
        assert family.documentation, family.name
        assert not family.documentation.endswith("."), family.name
        assert not re.search(
            r"(_|^)(ms|milliseconds|minutes|hours|count)$", family.name
        )
        if family.type == "gauge" and not family.name.endswith("_created"):
            assert not family.name.endswith("_total"), family.name


def exposed(meters):
    names = set()
    for family in meters.registry.collect():
        names.add(family.name)
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names |= {f"{family.name}{end}" for end in ends.get(family.type, [])}
    return names


def test_the_dashboard_asks_for_what_there_is():
    path = ROOT / "templates" / "monitoring" / "dashboard.json"
    dashboard = json.loads(path.read_text())
    asked = [
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in NAME.findall(target["expr"])
    ]
    assert set(asked) <= exposed(Meters())
    assert len(asked) > 10
    shown = {name.removesuffix("_total").removesuffix("_bucket") for name in asked}
    families = {family.name for family in Meters().registry.collect()}
    assert families <= shown, "each metric has its place"


def test_the_page_on_serve_names_each_metric_and_no_other():
    page = (ROOT / "docs" / "how-to" / "serve.md").read_text()
    told = set(NAME.findall(page))
    families = set()
    for family in Meters().registry.collect():
        end = "_total" if family.type == "counter" else ""
        families.add(f"{family.name}{end}")
    assert told == families


def test_the_metrics_are_in_a_registry_of_their_own():
    assert isinstance(Meters().registry, CollectorRegistry)
    assert Meters().registry is not Meters().registry
