"""A farm whose lease is over ends when two looks agree that nothing works in it."""

from farmctl.daemon.leases import Vacancy


def test_one_look_without_workers_ends_nothing():
    vacancy = Vacancy(apart=5.0)
    assert not vacancy.see(vacant=True, now=100.0)
    assert not vacancy.see(vacant=True, now=104.9)
    assert vacancy.see(vacant=True, now=105.0)


def test_a_worker_that_shows_again_begins_it_anew():
    vacancy = Vacancy(apart=5.0)
    assert not vacancy.see(vacant=True, now=100.0)
    assert not vacancy.see(vacant=False, now=103.0)
    assert not vacancy.see(vacant=True, now=106.0)
    assert vacancy.see(vacant=True, now=111.0)
