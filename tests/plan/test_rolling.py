"""A changed make of a batch farm's workers: recorded, kept to go back to, refused."""

import base64
import json
import random
import string
from dataclasses import replace

import pytest

from farmctl.context import contexts
from farmctl.model.attributes import Kind, Ref
from farmctl.model.nodes import Role
from farmctl.model.rolling import News, Roll
from farmctl.model.steps import ChangeObject, CreateNode, ReplaceNode
from farmctl.plan import document, lines, saved
from farmctl.plan.planning import plan
from farmctl.plan.resolve import resolve
from farmctl.plan.rolled import LARGEST, read
from farmctl.plan.rolling import in_force, settle
from farmctl.spec.text import VARIABLE_BYTES

NEW = {"pools": {"wn": {"image": "wn-next"}}}
SITE = {"images": {"wn-next": "wn-el9-2026-10"}}


@pytest.fixture
def rolled(kit, applied):
    """Applies what a file says, as a round does; `of` is the plan, `state` the roll."""

    class Rolled:
        world = applied
        site = kit.site(SITE)

        def settled(self, change=None, *, site=None, **given):
            farm = kit.farm(change or {})
            view = self.world.view
            target = resolve(site or self.site, farm, view, {}, {})
            return settle(target, view, **given)

        def of(self, change=None, **given):
            settled = self.settled(change, **given)
            made = plan(
                settled.target,
                self.world.view,
                site="torino",
                rolling=settled.rolling,
            )
            return replace(made, notes=(*made.notes, *settled.notes))

        def do(self, change=None, **given):
            made = self.of(change, **given)
            self.world.after(made)
            return made

        @property
        def state(self):
            return read(self.world.view.farm("alice").document)

        @property
        def template(self):
            return next(
                each
                for each in self.world.view.farm("alice").templates
                if each.tag.role is Role.WORKER
            )

    found = Rolled()
    found.good = found.template.tag.digest
    return found


def test_the_workers_stay_and_the_template_changes(rolled):
    made = rolled.do(NEW)
    assert [type(each) for each in made.steps] == [ChangeObject, ChangeObject]
    assert [each.kind for each in made.steps] == [Kind.DOCUMENT, Kind.TEMPLATE]
    roll = rolled.state.rolls["wn"]
    assert (roll.old, roll.new) == (rolled.good, rolled.template.tag.digest)
    assert rolled.state.before["wn"].digest == rolled.good
    (line,) = lines.lines(made)
    assert (line.glyph, line.subject, line.count) == ("±", "wn", 3)
    assert line.what.endswith(" on 3 of 3 nodes")
    assert line.effect == "rolled: one first, the others as their jobs end"
    assert lines.summary(made).interrupted == 0


def test_a_second_plan_changes_nothing_and_says_how_far_it_is(rolled):
    rolled.do(NEW)
    again = rolled.of(NEW)
    assert again.steps == ()
    (note,) = [each for each in again.notes if each.subject == "wn"]
    assert note.message == (
        "is rolled: 0 of 3 on the new image, canary to come; the others are replaced "
        "as their jobs end"
    )


def test_another_image_of_the_same_name_rolls_as_well(rolled, kit):
    remapped = kit.site({"images": {"wn-el9": "wn-el9-2026-10"}})
    rolled.do(site=remapped)
    assert rolled.state.rolls["wn"].old == rolled.good
    assert rolled.state.before["wn"].image == "wn-el9-2026-11"


def test_with_consent_the_workers_are_made_anew_at_once_and_nothing_rolls(rolled):
    rolled.do(NEW)
    made = rolled.do(NEW, at_once=True)
    assert sum(isinstance(each, ReplaceNode) for each in made.steps) == 3
    assert rolled.state.rolls == {}


def test_a_farm_without_a_batch_system_rolls_nothing(rolled):
    settled = rolled.settled(NEW)
    shapes = tuple(replace(each, batch="") for each in settled.target.shapes)
    bare = settle(replace(settled.target, shapes=shapes), rolled.world.view)
    assert bare.rolling.rolls == {}


def refused(rolled):
    rolled.do(NEW)
    roll = rolled.state.rolls["wn"]
    told = News(roll=roll, at=roll.began + 9, refused="2 canaries failed: no Slurm")
    return rolled.do(NEW, news={"wn": told}), roll


def test_a_refused_make_is_put_back_though_the_file_still_says_it(rolled):
    made, roll = refused(rolled)
    assert rolled.template.tag.digest == rolled.good
    assert rolled.state.refused["wn"].digest == roll.new
    assert rolled.state.rolls["wn"].back
    assert rolled.of(NEW).steps == ()
    (back,) = [each for each in made.steps if each.kind is Kind.TEMPLATE]
    assert back.attributes["NIC"]["NETWORK_ID"] == Ref(kind=Kind.NETWORK, name="alice")


def test_a_node_made_after_it_was_put_back_is_of_the_old_make(rolled):
    refused(rolled)
    more = {"pools": {"wn": {"image": "wn-next", "count": 4}}}
    (made,) = [each for each in rolled.of(more).steps if isinstance(each, CreateNode)]
    assert made.node.tag.digest == rolled.good
    assert made.node.image == "wn-el9-2026-11"
    assert made.node.attributes["NIC"]["IP"] == made.node.address


def test_applied_again_it_is_left_refused_and_that_is_said(rolled):
    refused(rolled)
    for _ in range(2):
        made = rolled.do(NEW)
        assert made.steps == ()
        assert rolled.state.refused
        (said,) = [n.message for n in made.notes if "2 canaries failed" in n.message]
        assert said.endswith("with farmctl apply --retry")


def test_a_person_who_asks_for_it_once_more_tries_it_again_and_is_warned(rolled):
    _, roll = refused(rolled)
    made = rolled.do(NEW, retry=True)
    assert rolled.state.refused == {}
    assert rolled.state.rolls["wn"].new == roll.new
    assert rolled.state.before["wn"].digest == rolled.good
    assert any("2 canaries failed: no Slurm" in each.message for each in made.notes)


def test_a_file_that_says_something_else_rolls_to_that(rolled):
    refused(rolled)
    rolled.do({"pools": {"wn": {"memory": "16GiB"}}})
    assert rolled.state.refused == {}
    assert rolled.state.rolls["wn"].old == rolled.good
    assert not rolled.state.rolls["wn"].back


def test_a_file_put_back_before_the_canary_was_proven_needs_none(rolled):
    rolled.do(NEW)
    rolled.do({})
    assert rolled.template.tag.digest == rolled.good
    assert rolled.state.rolls["wn"].back
    assert rolled.state.rolls["wn"].proven


def test_a_third_make_in_the_middle_goes_back_to_the_last_good_one(rolled):
    rolled.do(NEW)
    rolled.do({"pools": {"wn": {"memory": "16GiB"}}})
    assert rolled.state.before["wn"].digest == rolled.good
    proven = replace(rolled.state.rolls["wn"], proven=1.0)
    news = {"wn": News(roll=proven, at=1.0)}
    second = rolled.template.tag.digest
    rolled.do({"pools": {"wn": {"memory": "16GiB"}}}, news=news)
    rolled.do({"pools": {"wn": {"memory": "17GiB"}}})
    assert rolled.state.before["wn"].digest == second


def test_killed_after_the_document_the_next_plan_changes_the_template(rolled):
    whole = rolled.of(NEW)
    rolled.world.after(replace(whole, waves=whole.waves[:1]))
    began = rolled.state.rolls["wn"]
    assert rolled.template.tag.digest == rolled.good
    rolled.do(NEW)
    assert rolled.state.rolls["wn"] == began
    assert rolled.template.tag.digest == began.new


def test_news_of_another_roll_changes_nothing(rolled):
    rolled.do(NEW)
    roll = rolled.state.rolls["wn"]
    other = Roll(old=roll.old, new=roll.new, began=roll.began - 60)
    stale = {"wn": News(roll=other, at=1.0, refused="it failed")}
    assert rolled.of(NEW, news=stale).steps == ()


def test_what_was_found_out_is_read_again_as_it_was_written(rolled):
    rolled.do(NEW)
    roll = replace(
        rolled.state.rolls["wn"],
        failed={7: 5.0},
        freed="alice-wn-002",
        placed=(9, 12),
    )
    rolled.do(NEW, news={"wn": News(roll=roll, at=1.0)})
    assert rolled.state.rolls["wn"] == roll


def test_nothing_is_left_in_the_document_when_it_is_over(rolled):
    rolled.do(NEW)
    over = {"wn": News(roll=rolled.state.rolls["wn"], at=1.0, over=True)}
    rolled.do(NEW, news=over)
    body = rolled.world.view.farm("alice").document.body
    assert body[document.ROLLING] == {}


def test_what_to_go_back_to_is_small(rolled):
    rolled.do(NEW)
    body = rolled.world.view.farm("alice").document.body
    text = json.dumps(body[document.ROLLING])
    assert len(text) < 2048 < LARGEST


def with_context(rolled, context):
    """Let the workers' template have another context, in the cloud."""
    shown = rolled.template
    other = replace(shown, attributes={**shown.attributes, "CONTEXT": context})
    view = rolled.world.view
    rolled.world.view = replace(
        view,
        templates=tuple(other if t.id == shown.id else t for t in view.templates),
    )


def too_large(rolled):
    noise = random.Random(7).randbytes(300_000).hex()  # packs to a half of that
    with_context(rolled, {"VARIABLE": noise})
    return rolled.do(NEW)


def test_what_is_too_large_to_keep_is_said_and_not_kept(rolled):
    made = too_large(rolled)
    assert rolled.state.before == {}
    assert rolled.state.rolls["wn"].new
    assert any("too large to be kept" in each.message for each in made.notes)


def test_what_is_refused_then_strands_the_pool_and_that_is_said(rolled):
    too_large(rolled)
    roll = rolled.state.rolls["wn"]
    told = {"wn": News(roll=roll, at=roll.began + 9, refused="2 canaries failed")}
    made = rolled.do(NEW, news=told)
    refusal = rolled.state.refused["wn"]
    assert refusal.stranded
    assert refusal.words == (
        "2 canaries failed. What was before is not kept: its workers go on, and no new "
        "one is started until you apply a file that says what worked"
    )
    assert any(refusal.words in each.message for each in made.notes)
    # The same one again, as if it began now: what failed before counts no more.
    failed = {"wn": News(roll=replace(roll, failed={1: 1.0, 2: 2.0}), at=1.0)}
    rolled.do(NEW, news=failed)
    rolled.do(NEW, retry=True)
    assert rolled.state.refused == {}
    assert rolled.state.rolls["wn"].failed == {}


def test_what_worked_before_ends_a_stranded_pools_refusal(rolled):
    too_large(rolled)
    roll = replace(rolled.state.rolls["wn"], proven=1.0)
    rolled.do(NEW, news={"wn": News(roll=roll, at=2.0, refused="3 failed in a row")})
    rolled.do({})
    assert rolled.state.refused == {}
    assert rolled.state.before == {}  # what was refused is nothing to go back to
    assert rolled.template.tag.digest == rolled.state.rolls["wn"].new == rolled.good


def test_the_largest_variables_that_a_farm_may_have_are_kept(rolled, kit):
    noise = random.Random(7)
    letters = string.ascii_letters + string.digits + "+/"
    blob = "".join(noise.choices(letters, k=VARIABLE_BYTES - 4))
    farm = kit.farm({"variables": {"BLOB": blob}})
    with_context(rolled, contexts(rolled.site, farm)["wn"])
    rolled.do(NEW)
    roll = rolled.state.rolls["wn"]
    assert rolled.state.before["wn"].digest == rolled.good
    rolled.do(NEW, news={"wn": News(roll=roll, at=2.0, refused="2 canaries failed")})
    assert (
        blob[:48]
        in base64.b64decode(
            rolled.template.attributes["CONTEXT"]["FARMCTL_VALUES_BASE64"]
        ).decode()
    )
    assert not rolled.state.refused["wn"].stranded


def test_a_damaged_document_holds_no_roll(rolled):
    rolled.do(NEW)
    found = rolled.world.view.farm("alice").document
    for broken in ({"pools": {"wn": 1}}, {"before": {"wn": {"packed": "x"}}}, [], "x"):
        body = {**found.body, document.ROLLING: broken}
        assert read(replace(found, body=body)).rolls == {}


def test_a_pool_that_is_held_has_the_cores_it_had_before(rolled, kit):
    more = {"pools": {"wn": {"cpus": 8}}}
    rolled.do(more)
    roll = rolled.state.rolls["wn"]
    rolled.do(more, news={"wn": News(roll=roll, at=1.0, refused="it failed")})
    assert kit.farm(more).pools["wn"].cpus == 8
    assert in_force(kit.farm(more), rolled.state).pools["wn"].cpus == 6


def test_a_saved_plan_keeps_its_rolls(rolled):
    made = rolled.of(NEW)
    assert saved.load(saved.dump(made)).rolls == made.rolls
    assert saved.as_json(made)["rolls"]["wn"]["old"] == 3


@pytest.mark.parametrize("failed", [[], "1", 7, None])
def test_a_crooked_roll_in_the_document_is_none(rolled, failed):
    rolled.do(NEW)
    found = rolled.world.view.farm("alice").document
    body = json.loads(json.dumps(found.body))
    body[document.ROLLING]["pools"]["wn"]["failed"] = failed
    assert read(replace(found, body=body)).rolls == {}
