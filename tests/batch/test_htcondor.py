"""HTCondor on ads as its daemons write them, matched by its own ClassAds."""

import pytest

from farmctl.batch.htcondor import Bindings, HTCondor
from farmctl.errors import BatchAnswerError, BatchAwayError, WrongBatchError
from farmctl.model.matching import NodeShape, sort_out
from farmctl.model.sample import Drainer, NodeState

classad2 = pytest.importorskip(
    "classad2", reason="HTCondor's bindings are an extra: pip install farmctl[htcondor]"
)

NOW = 1_795_400_000.0
SHAPES = (
    NodeShape(pool="wn", slots=8, memory_mib=16_000, features=frozenset({"HasCVMFS"})),
    NodeShape(pool="big", slots=32, memory_mib=128_000),
)
REQUIREMENTS = (
    '(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && '
    "(TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && "
    "(TARGET.Cpus >= RequestCpus) && (TARGET.HasFileTransfer)"
)


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def job(cluster, proc=0, requirements=REQUIREMENTS, **values):
    values = {
        "Owner": "ann", "AcctGroup": "group_alice", "JobStatus": 1, "JobUniverse": 5,
        "QDate": 1_795_399_000 + cluster, "RequestCpus": 1, "RequestMemory": 2000,
        "RequestDisk": 1024, "AutoClusterId": cluster, **values,
    }  # fmt: skip
    written = "".join(f"{name}={text(value)};" for name, value in values.items())
    return f"[ClusterId={cluster};ProcId={proc};{written}Requirements={requirements};]"


def slot(machine, **values):
    values = {
        "Name": f"slot1@{machine}.farm", "Machine": f"{machine}.farm",
        "MyAddress": "<198.51.100.1:9618>", "SlotType": "Partitionable",
        "State": "Unclaimed", "Activity": "Idle", "Cpus": 8, "TotalSlotCpus": 8,
        "TotalSlotMemory": 16_000, "DaemonStartTime": 1_795_390_000, **values,
    }  # fmt: skip
    return "[" + "".join(f"{name}={text(v)};" for name, v in values.items()) + "]"


def runs(machine, number, **values):
    return slot(
        machine,
        **{
            "Name": f"slot1_{number}@{machine}.farm", "SlotType": "Dynamic",
            "State": "Claimed", "Activity": "Busy", "Cpus": 2, "TotalSlotCpus": 2,
            "JobId": f"9.{number}", "RemoteOwner": "bob@farm",
            "JobStart": 1_795_395_000, **values,
        },
    )  # fmt: skip


class Recorded:
    """A pool of ads; `only` keeps what a projection keeps."""

    def __init__(self, *, slots=(), jobs=()):
        self._slots, self._jobs = slots, jobs
        self.asked, self.drained, self.cancelled, self.gone = [], [], [], []

    def version(self):
        return "$CondorVersion: 25.14.1 2026-09-24 BuildID: 1 $"

    def slots(self, attributes):
        return [self.only(each, attributes) for each in self._slots]

    def jobs(self, attributes):
        self.asked.append(attributes)
        return [self.only(each, attributes) for each in self._jobs]

    def only(self, written, attributes):
        ad = classad2.parseOne(written)
        for name in set(ad) - set(attributes):
            del ad[name]
        return ad

    def parse(self, written):
        return classad2.parseOne(written)

    def drain(self, ad, *, check, reason):
        self.drained.append((ad["Machine"], check, reason))

    def cancel(self, ad, request):
        self.cancelled.append((ad["Machine"], request))

    def invalidate(self, machine):
        self.gone.append(machine)


def condor(pool, **named):
    return HTCondor(pool, now=lambda: NOW, shapes=SHAPES, **named)


def test_waiting_jobs_are_matched_with_what_each_pool_would_start():
    pool = Recorded(
        jobs=[
            job(1),
            job(2, RequestCpus=16),
            job(3, requirements=f"{REQUIREMENTS} && TARGET.HasCVMFS =?= true"),
            job(4, RequestMemory=500_000),
            job(5, requirements=f"{REQUIREMENTS} && TARGET.GPUs >= 1", RequestGPUs=1),
        ]
    )
    found = {each.job: each.pools for each in condor(pool).sample().waiting}
    assert found == {
        "1.0": {"wn", "big"},
        "2.0": {"big"},
        "3.0": {"wn"},
        "4.0": set(),
        "5.0": set(),
    }


def test_what_nothing_matches_is_named_with_its_owner():
    pool = Recorded(jobs=[job(1), job(4, RequestMemory=500_000)])
    found = sort_out(condor(pool).sample(), SHAPES)
    assert [each.job for each in found.sample.waiting] == ["1.0"]
    assert [str(each) for each in found.never] == [
        "1 job of ann (4.0) can never run here: no pool's nodes match its requirements"
    ]


def test_attributes_that_requirements_name_are_asked_for_once():
    written = job(1, requirements="TARGET.Cpus >= MY.Least", Least=16)
    pool = Recorded(jobs=[written])
    system = condor(pool)
    assert [each.pools for each in system.sample().waiting] == [{"big"}]
    system.sample()
    assert ["Least" in asked for asked in pool.asked] == [False, True, True]


def test_alike_jobs_are_one_kind_with_the_oldest_in_front():
    pool = Recorded(jobs=[job(7, proc) for proc in range(500)])
    (work,) = condor(pool).sample().waiting
    assert (work.job, work.count, work.jobs) == ("7.0", 500, 500)
    assert (work.owner, work.account, work.slots) == ("ann", "group_alice", 1)
    assert (work.memory_mib, work.disk_mib, work.since) == (2000, 1, 1_795_399_007)


def test_held_limited_and_local_jobs_ask_for_no_node():
    pool = Recorded(
        jobs=[
            job(1, JobStatus=5, HoldReason="via condor_hold (by user ann)"),
            job(2, LastRejMatchReason="concurrency limit reached"),
            job(3, JobUniverse=7),
            job(4, JobUniverse=12),
            job(5, JobUniverse=9),
            job(6, JobStatus=2),
        ]
    )
    sample = condor(pool).sample()
    assert sample.waiting == ()
    assert [(each.job, each.why) for each in sample.held] == [
        ("1.0", "via condor_hold (by user ann)"),
        ("2.0", "concurrency limit reached"),
    ]


def test_a_machines_slots_are_one_node():
    pool = Recorded(slots=[slot("wn-001"), runs("wn-001", 1), runs("wn-001", 2)])
    (node,) = condor(pool).sample().nodes
    assert (node.name, node.slots, node.busy, node.claimed) == ("wn-001", 8, 4, 4)
    assert [(w.job, w.owner, w.began) for w in node.work] == [
        ("9.1", "bob", 1_795_395_000.0),
        ("9.2", "bob", 1_795_395_000.0),
    ]
    assert (node.memory_mib, node.state) == (16_000, NodeState.READY)
    assert (node.joined, node.idle_since) == (1_795_390_000.0, None)


def test_a_drain_is_asked_of_the_startd_only_where_jobs_may_end_in_peace():
    pool = Recorded(slots=[slot("wn-001")])
    assert condor(pool, retirement=86_400).drain(["wn-001", "wn-002"], "old image") == {
        "wn-001": "",
        "wn-002": "HTCondor does not know it",
    }
    ((machine, check, reason),) = pool.drained
    assert (machine, reason) == ("wn-001.farm", "farmctl: old image")
    for written, may in (
        (slot("wn-001"), True),
        (runs("wn-001", 1), False),
        (runs("wn-001", 1, MaxJobRetirementTime=600), False),
        (runs("wn-001", 1, MaxJobRetirementTime=90_000), True),
    ):
        ad = classad2.parseOne(written)
        assert ad.eval("Name")
        ad["Check"] = classad2.ExprTree(check)
        assert ad.eval("Check") is may


@pytest.mark.parametrize(
    ("reason", "drainer", "state"),
    [
        ("farmctl: old image", Drainer.US, NodeState.DRAINING),
        ("bad disk", Drainer.OTHERS, NodeState.ASIDE),
    ],
)
def test_a_drain_is_ours_by_its_reason(reason, drainer, state):
    values = {"Draining": True, "DrainReason": reason, "DrainingRequestId": "7"}
    pool = Recorded(slots=[slot("wn-001", **values), runs("wn-001", 1, **values)])
    system = condor(pool)
    (node,) = system.sample().nodes
    assert (node.drained_by, node.state, node.reason) == (drainer, state, reason)
    ours = drainer is Drainer.US
    assert system.drain(["wn-001"], "x") == {
        "wn-001": "" if ours else "drained already, and not by us"
    }
    assert system.undrain(["wn-001"]) == {
        "wn-001": "" if ours else "drained by somebody else"
    }
    assert pool.cancelled == ([("wn-001.farm", "7")] if ours else [])
    assert pool.drained == []


def test_a_node_is_forgotten_when_it_is_drained_and_empty_or_has_ended():
    ours = {"Draining": True, "DrainReason": "farmctl: x"}
    pool = Recorded(
        slots=[slot("wn-001"), slot("wn-002", **ours), slot("wn-003", **ours),
               runs("wn-003", 1, **ours)]
    )  # fmt: skip
    system = condor(pool)
    assert system.forget(["wn-001", "wn-002", "wn-003", "wn-004"]) == {
        "wn-001": "takes work: drain it first",
        "wn-002": "",
        "wn-003": "works: job 9.1 of bob",
        "wn-004": "",
    }
    assert system.forget(["wn-003"], ended=True) == {"wn-003": ""}
    assert pool.gone == ["wn-002.farm", "wn-003.farm"]


def test_ads_without_what_every_ad_has_are_an_error():
    with pytest.raises(BatchAnswerError):
        condor(Recorded(slots=["[Name=1]"])).sample()
    with pytest.raises(BatchAnswerError):
        condor(Recorded(jobs=["[ClusterId=1]"])).sample()


def test_an_old_version_is_refused():
    pool = Recorded()
    pool.version = lambda: "$CondorVersion: 10.9.0 2023-09-28 $"
    with pytest.raises(WrongBatchError, match="is too old"):
        condor(pool).check()


def test_a_collector_that_does_not_answer_is_an_error(monkeypatch):
    pytest.importorskip("htcondor2")
    monkeypatch.setenv("CONDOR_CONFIG", "/dev/null")
    system = HTCondor(Bindings("127.0.0.1:9"), now=lambda: NOW, shapes=SHAPES)
    with pytest.raises(BatchAwayError):
        system.sample()
