"""Rolling updates as the plan knows them: begun, kept in the document, taken back.

The workers of a farm with a batch system are not made anew where they stand when what
they are made of changes: they may be working. The plan changes the pool's template, so
that new workers are of the new make, and writes a roll into the farm's document, in the
write that declares the change: what to go back to, since when, from which make to
which. Whoever watches the farm's work takes it from there (`elastic.rolling`), and
hands back what became of it.

A make that was refused stays declared, for that is what a person wrote; the pool is
held at what it was before, until the declaration makes something else of it or a person
asks for it once more. How the document spells all this is `rolled`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from farmctl.model.attributes import Attributes, Kind, Ref, Vector
from farmctl.model.nodes import Role, VmState
from farmctl.model.rolling import Before, News, Refusal, Roll, Rolled, Rolling
from farmctl.model.steps import Note
from farmctl.model.target import Shape, Target
from farmctl.model.view import CloudView, FarmView, Template
from farmctl.plan import compare
from farmctl.plan.document import ROLLING
from farmctl.plan.objects import template_of
from farmctl.plan.rolled import fits, read, written
from farmctl.spec import Farm

FOLLOWED = frozenset({"slurm", "gridengine"})
"""Batch systems whose queues are followed, so that somebody can roll their workers."""

_OURS = "FARMCTL"
_OUT = frozenset({VmState.ENDING, VmState.GONE, VmState.FAILED, VmState.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A target with the rolls that it begins, goes on with or ends.

    `target` has refused makes replaced by what was before, and the rolls in its
    document. `notes` say what people should know of it.
    """

    target: Target
    rolling: Rolling
    notes: tuple[Note, ...] = ()


def settle(
    target: Target,
    view: CloudView,
    *,
    news: Mapping[str, News] | None = None,
    retry: bool = False,
    at_once: bool = False,
) -> Settled:
    """Return the target with its rolls.

    Args:
        target: the farm as declared.
        view: one look at the cloud.
        news: what became of rolls, by pool.
        retry: a person asks for it: a make that was refused is tried again.
        at_once: workers are made anew where they stand: nothing rolls.
    """
    mine = view.farm(target.farm)
    body = mine.document.body if mine.document else None
    state = _told(read(mine.document), news or {})
    shapes: list[Shape] = []
    found = Rolling(rolls={}, before={}, refused={})
    rolls: dict[str, Roll] = {}
    before: dict[str, Before] = {}
    refused: dict[str, Refusal] = {}
    notes: list[Note] = []
    for shape in target.shapes:
        if shape.role is not Role.WORKER or shape.batch not in FOLLOWED or at_once:
            shapes.append(shape)
            continue
        pool = _settled(shape, state, mine, view, retry=retry)
        shapes.append(pool.shape)
        if pool.roll is not None:
            rolls[shape.pool] = pool.roll
        if pool.before is not None and (pool.roll or pool.refusal):
            before[shape.pool] = pool.before
        if pool.refusal is not None:
            refused[shape.pool] = pool.refusal
        notes += pool.notes
    found = Rolling(rolls=rolls, before=before, refused=refused)
    text = written(found)
    kept = dict(target.document)
    if text or (body and body.get(ROLLING)):
        kept[ROLLING] = text
    target = replace(target, shapes=tuple(shapes), document=kept)
    return Settled(target=target, rolling=found, notes=tuple(notes))


def counted(rolling: Rolling, mine: FarmView) -> dict[str, Rolled]:
    """Return how far each roll of a farm is; workers that are sick do not count."""
    return {
        pool: count(roll, mine, pool) for pool, roll in sorted(rolling.rolls.items())
    }


def count(roll: Roll, mine: FarmView, pool: str) -> Rolled:
    """Return how far one pool's roll is."""
    there = [
        vm.tag.digest
        for vm in mine.vms
        if vm.tag is not None
        and (vm.tag.role, vm.tag.pool) == (Role.WORKER, pool)
        and vm.state not in _OUT
        and not vm.mark.aside
    ]
    old = sum(digest != roll.new for digest in there)
    return Rolled(old=old, of=len(there), roll=roll)


def in_force(farm: Farm, rolling: Rolling) -> Farm:
    """Return the farm with the sizes of nodes that its pools are held at.

    A pool whose declared make was refused has the cores and the memory of what it went
    back to; all else is as declared.
    """
    pools = dict(farm.pools)
    for pool, refusal in rolling.refused.items():
        known = rolling.before.get(pool)
        if pool not in pools or known is None or refusal.digest == known.digest:
            continue
        pools[pool] = pools[pool].model_copy(
            update={"cpus": _cpus(known), "memory": _memory(known)}
        )
    return farm.model_copy(update={"pools": pools}) if rolling.refused else farm


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    shape: Shape
    roll: Roll | None = None
    before: Before | None = None
    refusal: Refusal | None = None
    notes: tuple[Note, ...] = ()


def _settled(
    shape: Shape, state: Rolling, mine: FarmView, view: CloudView, *, retry: bool
) -> _Pool:
    roll, known = state.rolls.get(shape.pool), state.before.get(shape.pool)
    refusal = state.refused.get(shape.pool)
    notes: tuple[Note, ...] = ()
    if refusal is not None and refusal.digest == shape.digest:
        said = _again(refusal) if retry else _left(refusal)
        notes = (Note(subject=shape.pool, message=said),)
    if refusal is not None and (retry or refusal.digest != shape.digest):
        if roll is not None and roll.new == refusal.digest == shape.digest:
            # There was nothing to go back to: the same roll, as if it began now.
            roll = Roll(old=roll.old, new=roll.new, began=float(int(view.at)))
        refusal = None
    if refusal is not None and known is not None:
        shape = _as_before(shape, known)
    template = template_of(mine, Role.WORKER, shape.pool)
    shown = template.tag.digest if template is not None and template.tag else ""
    if template is None or not shown:
        return _Pool(shape=shape, before=known, refusal=refusal, notes=notes)
    if (roll is not None and roll.new == shape.digest) or (
        roll is None and shown == shape.digest
    ):
        return _Pool(shape=shape, roll=roll, before=known, refusal=refusal, notes=notes)
    good = known
    given_up = state.refused.get(shape.pool)
    bad = given_up is not None and given_up.digest == shown
    if not bad and (roll is None or (roll.proven and shown == roll.new)):
        good = _kept(template, mine, view)
    now = float(int(view.at))
    if good is not None and good.digest == shape.digest:
        old = shown if roll is None else roll.new
        roll = Roll(old=old, new=shape.digest, began=now, proven=now, back=True)
    else:
        old = shown if good is None else good.digest
        roll = Roll(old=old, new=shape.digest, began=now)
        if good is None:
            said = (
                "what it is made of now is too large to be kept, or is not known to "
                "be good: if the new make fails, the roll stops and nothing is put back"
            )
            notes = (*notes, Note(subject=shape.pool, message=said))
    return _Pool(shape=shape, roll=roll, before=good, refusal=refusal, notes=notes)


def _told(state: Rolling, news: Mapping[str, News]) -> Rolling:
    """Return the state with what became of its rolls."""
    rolls, refused = dict(state.rolls), dict(state.refused)
    for pool, each in news.items():
        known = rolls.get(pool)
        told = each.roll
        if known is None or (known.new, known.began) != (told.new, told.began):
            continue  # another roll has begun meanwhile
        rolls[pool] = told
        before = state.before.get(pool)
        if each.refused:
            refused[pool] = Refusal(
                digest=told.new,
                why=each.refused,
                at=each.at,
                stranded=before is None,
            )
            if before is not None:
                rolls[pool] = Roll(
                    old=told.new,
                    new=before.digest,
                    began=each.at,
                    proven=each.at,
                    back=True,
                )
        elif each.over:
            del rolls[pool]
    return Rolling(rolls=rolls, before=state.before, refused=refused)


def _again(refusal: Refusal) -> str:
    return (
        f"this make was tried before and given up: {refusal.why}. It is tried again "
        "because you ask for it"
    )


def _left(refusal: Refusal) -> str:
    return (
        f"what is declared was tried before and given up: {refusal.words}. It is left "
        "refused: mend the image and give it another name, or try the same one again "
        "with farmctl apply --retry"
    )


def _kept(template: Template, mine: FarmView, view: CloudView) -> Before | None:
    """Return what to go back to, from the template as OpenNebula shows it."""
    own = {str(each.id) for each in mine.networks}
    attributes: dict[str, object] = {}
    for key, value in template.attributes.items():
        if key.startswith(_OURS):
            continue
        attributes[key] = value
        if key == "NIC":
            nics = tuple(_within(nic, own, mine) for nic in compare.vectors(value))
            attributes[key] = nics[0] if len(nics) == 1 else nics
    content = cast("Attributes", attributes)
    disks = compare.vectors(content.get("DISK", ()))
    disk = disks[0] if disks else {}
    image = next(
        (each for each in view.images if str(each.id) == disk.get("IMAGE_ID")), None
    )
    size = str(disk.get("SIZE", ""))
    found = Before(
        digest=template.tag.digest if template.tag else "",
        image=image.name if image else "",
        disk_mib=int(size) if size.isdigit() else image.size_mib if image else 0,
        attributes=content,
    )
    return found if fits(found) else None


def _within(nic: Vector, own: set[str], mine: FarmView) -> Vector:
    """Return an interface with the farm's own network as a reference again."""
    if nic.get("NETWORK_ID") not in own:
        return nic
    return {**nic, "NETWORK_ID": Ref(kind=Kind.NETWORK, name=mine.farm)}


def _as_before(shape: Shape, known: Before) -> Shape:
    """Return the shape made of what its workers were made of before."""
    return replace(
        shape,
        attributes=known.attributes,
        digest=known.digest,
        image=known.image,
        cpus=float(_cpus(known)),
        memory_mib=_memory(known),
        disk_mib=known.disk_mib,
    )


def _cpus(known: Before) -> int:
    return int(float(str(known.attributes.get("CPU", "1"))))


def _memory(known: Before) -> int:
    return int(float(str(known.attributes.get("MEMORY", "0"))))
