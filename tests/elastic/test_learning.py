import pytest

from farmctl.elastic.arrivals import Arrivals, age_bin
from farmctl.elastic.ladder import BaseLoad, shape
from farmctl.elastic.queueing import coarse, waiting
from farmctl.elastic.runtimes import Runtimes, place_of
from farmctl.elastic.terms import PRICE, Pool, Times
from farmctl.elastic.worth import worth

HOUR = 3600


def regular(gap: float, *, bursts: int = 200, size: int = 8) -> tuple[Arrivals, float]:
    arrivals = Arrivals(prior=600.0, window=300.0)
    now = 0.0
    for _ in range(bursts):
        arrivals.see(now, "ann", before=0, burst=size, after=size)
        arrivals.see(now + 10, "ann", before=size, burst=0, after=0)
        now += 10 + gap
        arrivals.sweep(now)
    return arrivals, now


def test_ages_fall_into_two_bins_to_each_doubling():
    assert [age_bin(age) for age in (0, 14.9, 15, 21, 22, 30, 119, 120, 1e9)] == [
        0, 0, 1, 1, 2, 3, 6, 7, 25,
    ]  # fmt: skip


def test_a_regular_owner_is_expected_soon_and_in_the_same_size():
    arrivals, now = regular(200.0)
    (step,) = arrivals.forecast(now - 190, [400.0])
    sizes = dict(step.rates)
    assert set(sizes) == {8}
    # Of the bin of ages that it comes in, 30 s pass before it does.
    assert 1 / 60 < sizes[8] < 1 / 30


def test_silence_lowers_what_is_expected():
    arrivals, now = regular(200.0)
    (soon,) = arrivals.forecast(now, [60.0])
    arrivals.sweep(now + 30_000)
    (late,) = arrivals.forecast(now + 30_000, [60.0])
    assert (
        sum(rate for _, rate in late.rates) < sum(rate for _, rate in soon.rates) / 20
    )


def test_a_node_is_worth_more_the_dearer_waiting_is_and_less_the_more_are_free():
    arrivals, now = regular(400.0)
    steps = arrivals.forecast(now - 300, [60.0, 60.0, 120.0, 240.0])

    def value(price: float, rank: int) -> float:
        return worth(
            arrivals,
            steps,
            [0] * 4,
            [[0.0] * at for at in range(4)],
            rank=rank,
            slots=4,
            lost=330.0,
            price=price,
            boot=300.0,
            ready_in=0.0,
        )[0]

    assert value(20.0, 0) > value(5.0, 0) > 0
    assert value(5.0, 0) >= value(5.0, 4) > value(5.0, 40)


def test_the_break_even_time_is_the_published_one():
    times = Times(boot=300, stop=30, resume=60)
    assert times.break_even(PRICE["batch"]) == 630
    assert times.break_even(PRICE["imaging"]) == 1830
    assert times.break_even(PRICE["interactive"]) == 6330


def test_work_is_guessed_by_the_last_two_runs_and_outlives_its_guess_by_doubling():
    runtimes = Runtimes()
    assert runtimes.guess("ann") == 3600
    runtimes.ended("ann", 100)
    runtimes.ended("ann", 300)
    assert runtimes.guess("ann") == 200
    assert runtimes.guess("bob") == 300
    assert runtimes.left("ann", 50) == 150
    assert runtimes.left("ann", 500) == 500


def test_each_piece_of_work_ends_as_the_run_at_its_place_among_its_owners():
    runtimes = Runtimes()
    for seconds in (400.0, 100.0, 300.0, 200.0):
        runtimes.ended("ann", seconds)
    places = (0.1, 0.3, 0.6, 0.9)
    assert [runtimes.on("ann", 0, place) for place in places] == [100, 200, 300, 400]
    # Those that still run after 250 s are of the longer half.
    assert [runtimes.on("ann", 250, place) for place in places] == [50, 50, 150, 150]
    # What ran last weighs most: five runs later, half.
    for seconds in (1000.0, 2000.0, 3000.0, 4000.0, 5000.0):
        runtimes.ended("ann", seconds)
    assert runtimes.on("ann", 0, 0.29) == 400 < runtimes.on("ann", 0, 0.31) == 1000
    # Those that outlive all go on: half of them for less than as long again.
    assert runtimes.on("ann", 6000, 0.5) == 6000
    assert runtimes.on("ann", 6000, 0.999) == 54_000


def test_owners_of_few_runs_are_taken_to_be_like_all_others():
    runtimes = Runtimes(prior=50.0)
    assert {runtimes.on("ann", 0, place) for place in (0.0, 0.99)} == {50.0}
    for seconds in (10.0, 20.0, 30.0, 40.0, 50.0):
        runtimes.ended("bob", seconds)
    runtimes.ended("ann", 1000.0)
    assert runtimes.on("ann", 0, 0.99) == 1000
    assert runtimes.on("ann", 0, 0.0) == 20


def test_a_job_keeps_its_place_and_the_places_of_many_are_spread_evenly():
    places = sorted(place_of(f"{number}_1") for number in range(1000))
    assert place_of("7_1") == place_of("7_1")
    assert all(abs(place - at / 1000) < 0.05 for at, place in enumerate(places))


def test_a_day_is_no_proof_of_base_load():
    base = BaseLoad()
    for hour in range(24):
        base.see(hour * HOUR, 40)
    assert base.slots == 0


def test_work_that_comes_stays_as_long_as_recent_work_ran():
    runtimes = Runtimes(prior=400.0)
    runtimes.ended("ann", 100.0)
    assert runtimes.stay([200.0, 200.0, 400.0]) == [
        [],
        [100.0],
        [0.0, pytest.approx(100.0)],
    ]


def test_bursts_that_fit_take_the_room_of_the_next():
    arrivals, now = regular(100.0, size=2)
    steps = arrivals.forecast(now, [60.0, 60.0])

    def value(seconds: float) -> float:
        return worth(
            arrivals,
            steps,
            [2, 2],
            [[], [seconds]],
            rank=0,
            slots=4,
            lost=330.0,
            price=20.0,
            boot=300.0,
            ready_in=0.0,
        )[0]

    assert value(0.0) == 0
    assert value(1e5) > 0


def test_a_queue_is_scheduled_on_the_slots_that_free_up():
    total, after = waiting([(10.0, 2), (100.0, 1)], [(3, 50.0), (1, 50.0)])
    assert total == 10 + 10 + 60 + 60
    assert sorted(after) == [(100.0, 1), (110.0, 1), (110.0, 1)]


def test_a_queue_without_slots_waits_for_ever():
    assert waiting([], [(1, 1.0)])[0] == float("inf")
    assert waiting([], [])[0] == 0


def test_coarse_groups_keep_all_slots():
    groups = coarse([(float(at), 2) for at in range(1000)], 50)
    assert len(groups) == 50
    assert sum(many for _, many in groups) == 2000


def test_base_load_is_proved_by_a_week_and_goes_into_big_nodes():
    base = BaseLoad()
    for hour in range(200):
        base.see(hour * HOUR, 40 if hour % 8 else 30)
    assert base.slots == 30
    pools = (Pool(name="big", slots=8), Pool(name="small", slots=1))

    def chosen(existing: dict[str, int], width: int = 1) -> str:
        pool = shape(pools, existing, base=base.slots, width=width, memory_mib=0)
        assert pool is not None
        return pool.name

    assert chosen({}) == "big"
    assert chosen({"big": 16}) == "big"
    assert chosen({"big": 24}) == "small"
    assert chosen({"big": 24}, width=4) == "big"


def test_work_that_fits_no_shape_gets_none():
    pools = (Pool(name="wn", slots=4, memory_mib=8192),)
    assert shape(pools, {}, base=0, width=8, memory_mib=0) is None
    assert shape(pools, {}, base=0, width=1, memory_mib=9000) is None


@pytest.mark.parametrize("kind", ["batch", "pilot", "plain", "imaging", "interactive"])
def test_every_kind_of_farm_has_a_price(kind):
    assert PRICE[kind] >= 1
