"""What a daemon's beat says of the farms that it keeps."""

from farmctl.model.keeping import KeptBy, Load, body, kept_by
from farmctl.model.nodes import Tag
from farmctl.model.view import Document, Holder


def beat(said, *, host="keeper", name="farmctl-daemon-x", tag=None):
    holder = Holder(host=host, boot="b", pid=7, started="s", nonce="x", beat=3)
    return Document(id=1, name=name, owner_id=0, tag=tag, body=said, holder=holder)


LOAD = Load(waiting=12, running=3, truth=995.0, since=900.0, limited=True)


def test_a_beat_tells_who_keeps_a_farm_and_its_work():
    assert kept_by([beat(body({"taf": LOAD}, at=1_000.4))]) == {
        "taf": KeptBy(host="keeper", pid=7, beat=1_000.0, load=LOAD)
    }


def test_of_two_that_keep_a_farm_the_last_beat_counts():
    old = beat(body({"taf": LOAD, "m5l": LOAD}, at=900.0), host="dead")
    new = beat(body({"taf": LOAD}, at=1_000.0), host="alive")
    for documents in ([old, new], [new, old]):
        found = kept_by(documents)
        assert (found["taf"].host, found["m5l"].host) == ("alive", "dead")


def test_what_is_no_beat_tells_nothing():
    said = body({"taf": LOAD}, at=1_000.0)
    assert kept_by([beat(said, name="other")]) == {}
    assert kept_by([beat(said, tag=Tag(farm="taf"))]) == {}
    assert kept_by([beat(None)]) == {}
    assert kept_by([beat({"daemon": 1, "at": "now", "farms": {"taf": []}})]) == {}
    (daemon,) = kept_by([beat({"at": 5, "farms": {"taf": ["a"]}})]).values()
    assert daemon.load is None


def test_a_beat_is_small_whatever_it_keeps():
    farms = {f"f{n:04d}": Load(waiting=n) for n in range(1_000)}
    kept = body(farms, at=0.0)["farms"]
    assert len(kept) == 400
    assert "f0999" in kept
