"""A farm's standing on its way through JSON: whole, small, and never a crash."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.model.standing import (
    LARGEST,
    Due,
    PoolStanding,
    Queued,
    Standing,
    as_json,
    from_json,
)

WHOLE = Standing(
    at=1_000.5,
    host="keeper",
    pid=12,
    system="Slurm 22.05.8",
    truth=999.0,
    waiting=24,
    running=3,
    oldest=900.0,
    pools=(
        PoolStanding(
            pool="wn",
            size=4,
            least=0,
            most=6,
            slots=6,
            image="wn",
            states={"ready": 3, "booting": 1},
            limit="3 boots of its image failed in a row on wrk-01",
            until=1_600.0,
            shunned={"wrk-01": "2 boots of this image in a row failed on it"},
        ),
    ),
    queue=(Queued(owner="ann", slots=6, count=4, jobs=4, since=900.0),),
    never=("1 job of bob can never run here: it asks for 64 GiB",),
    decided=("start 1 of wn: 6 slots of work wait",),
    next=(Due(what="wn-004 takes work", at=1_200.0),),
    price=1.0,
    boot=300.0,
)


def size(value):
    return len(json.dumps(value, separators=(",", ":")))


def test_a_standing_comes_back_as_it_was():
    assert from_json(json.loads(json.dumps(as_json(WHOLE)))) == WHOLE


def test_many_shapes_of_work_are_cut_and_counted():
    queue = tuple(
        Queued(owner=f"user{n}", slots=1, count=n, why="x" * 500) for n in range(40)
    )
    read = from_json(as_json(Standing(at=1.0, queue=queue)))
    assert len(read.queue) + read.more == 40
    assert 1 <= len(read.queue) <= 8


texts = st.text(max_size=400)
numbers = st.integers(0, 10**9)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Standing,
        at=st.floats(0, 2e9),
        doubt=texts,
        less=texts,
        never=st.lists(texts, max_size=20).map(tuple),
        decided=st.lists(texts, max_size=20).map(tuple),
        queue=st.lists(
            st.builds(Queued, owner=texts, slots=numbers, count=numbers, why=texts),
            max_size=20,
        ).map(tuple),
        pools=st.lists(
            st.builds(
                PoolStanding,
                pool=texts,
                size=numbers,
                least=numbers,
                most=numbers,
                slots=numbers,
                limit=texts,
                shunned=st.dictionaries(texts, texts, max_size=6),
            ),
            max_size=8,
        ).map(tuple),
    )
)
def test_whatever_a_farm_is_its_standing_is_small_and_can_be_read(standing):
    value = as_json(standing)
    assert size(value) <= LARGEST
    assert from_json(json.loads(json.dumps(value))) is not None


@given(st.recursive(st.none() | numbers | texts, lambda x: st.lists(x, max_size=3)))
def test_what_is_no_standing_is_none(value):
    assert from_json(value) is None


def test_a_crooked_standing_is_none():
    for key, wrong in {
        "at": "yesterday",
        "pools": 3,
        "queue": [{"owner": "ann"}],
        "next": ["soon"],
        "waiting": True,
    }.items():
        assert from_json(as_json(WHOLE) | {key: wrong}) is None
    assert from_json({}) is None
