"""Whether a daemon keeps the farms, as far as one look tells."""

import pytest

from farmctl.model.keeping import body
from farmctl.model.view import CloudView, Document, Holder, User
from farmctl.reconcile.daemons import kept
from farmctl.reconcile.identity import myself

NOW = 1_000_000.0
ELSEWHERE = Holder(
    host="another-machine", boot="b", pid=7, started="s", nonce="x", beat=3
)


def look(said, holder=ELSEWHERE):
    document = Document(
        id=1, name="farmctl-daemon-x", owner_id=0, body=said, holder=holder
    )
    return CloudView(
        at=NOW,
        version="",
        endpoint="",
        user=User(id=0, name="u"),
        documents=(document,),
    )


@pytest.mark.parametrize(
    ("ago", "alive"), [(0.0, True), (90.0, True), (-50.0, True), (110.0, False)]
)
def test_a_daemon_elsewhere_lives_as_long_as_it_beats(ago, alive):
    assert kept(look(body({}, at=NOW - ago))) is alive


def test_a_document_without_a_beat_is_no_daemon_that_lives():
    assert not kept(look(None))
    assert not kept(look({"daemon": 1, "at": "now"}))


def test_on_its_own_machine_the_process_itself_counts():
    assert kept(look(body({}, at=NOW - 5_000), holder=myself("farmctl serve")))
