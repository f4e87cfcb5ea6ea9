"""How careful the daemon is goes by how often it looks, and not below a site's."""

import pytest

from farmctl.cli.commands.serve import _care


@pytest.mark.parametrize(
    ("poll", "apart", "restart"),
    [(2.0, 1.6, 60.0), (5.0, 8.0, 300.0), (10.0, 8.0, 300.0), (60.0, 8.0, 300.0)],
)
def test_looks_that_agree_are_apart_and_a_restarted_server_is_no_witness_at_once(
    poll, apart, restart
):
    care = _care(poll)
    assert (care.apart, care.restart) == pytest.approx((apart, restart))
