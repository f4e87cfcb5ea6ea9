import pytest

from farmctl.errors import NotPossibleError
from farmctl.model.nodes import Tag
from farmctl.model.view import CloudView, Network, User
from farmctl.plan import planning

NETWORK = Network(id=7, name="m5l", owner_id=0, owner="oneadmin", tag=Tag(farm="m5l"))


def view_of(user, **changes):
    return CloudView(
        at=0.0,
        version="7.4.0",
        endpoint="http://one",
        user=user,
        networks=(NETWORK,),
        **changes,
    )


def test_an_ordinary_user_does_not_touch_a_farm_that_is_somebody_elses():
    bob = User(id=5, name="bob")
    with pytest.raises(NotPossibleError, match="The farm m5l is oneadmin's"):
        planning.plan_destroy("m5l", view_of(bob))


@pytest.mark.parametrize(
    "user", [User(id=0, name="oneadmin"), User(id=5, name="eve", admin=True)]
)
def test_its_owner_and_an_admin_may(user):
    plan = planning.plan_destroy("m5l", view_of(user))
    assert [step.name for step in plan.steps] == ["m5l"]
