"""What somebody wants of a farm, and the plan that follows from it and one look.

Four intents: the farm as declared, with a size set by hand, gone, and as a saved plan
says. Each draws a plan from a view as often as it is asked,
so that a run can plan again under the lock, after a lost race, and once more at the end
as its proof.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from farmctl.errors import InputError, NotPossibleError, PlanOutdatedError
from farmctl.model.attributes import Kind
from farmctl.model.rolling import News
from farmctl.model.steps import (
    CreateNode,
    CreateObject,
    Plan,
    ReplaceNode,
    StartNode,
)
from farmctl.model.view import Capacity, CloudView
from farmctl.plan import (
    addresses,
    capacity,
    document,
    fingerprints,
    planning,
    resolve,
    rolling,
)
from farmctl.plan.nodes import Tending
from farmctl.plan.routing import Routing
from farmctl.reconcile.objects import body_of
from farmctl.reconcile.values import World
from farmctl.spec import Count, Farm, canonical, from_canonical, record
from farmctl.spec.suggestions import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Avoid:
    """What others turned out to have: class Cs, and addresses in ours."""

    cidrs: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def seed(self) -> str:
        """What makes another choice of a class C after each loss."""
        return str(len(self.cidrs)) if self.cidrs else ""


_NOTHING = Avoid()


class Intent(Protocol):
    """What is wanted of one farm."""

    @property
    def farm(self) -> str:
        """The farm's name."""
        ...

    def draw(self, world: World, view: CloudView, avoid: Avoid = _NOTHING) -> Plan:
        """Return the plan that leads from the view to what is wanted.

        Args:
            world: where the site, and how a node's context is drawn, come from.
            view: one look at the cloud.
            avoid: what is not to be chosen.
        """
        ...

    def proof(self, view: CloudView) -> "Intent":
        """Return the intent whose plan is empty when all is done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The farm as its file says; `sizes` are decided now, over those decided before.

    `tending`: which workers go and which are apart, where the farm's work is watched.
    `notes`: what else its document is to keep, by key. `rolled`: what became of rolls,
    by pool. `retry`: a person asks for a make that was refused once more. `at_once`:
    outdated workers are made anew where they stand.
    """

    declared: Farm
    sizes: Mapping[str, int] = field(default_factory=dict)
    prefer: str = ""
    tending: Tending | None = None
    notes: Mapping[str, object] = field(default_factory=dict)
    rolled: Mapping[str, News] = field(default_factory=dict)
    retry: bool = False
    at_once: bool = False

    @property
    def farm(self) -> str:
        return self.declared.name

    def draw(self, world: World, view: CloudView, avoid: Avoid = _NOTHING) -> Plan:
        farm = self.declared
        decided = document.sizes(view.farm(farm.name).document)
        cidr = self._class_c(world, view, avoid)
        target = resolve.resolve(
            world.site,
            farm,
            view,
            world.contexts(world.site, farm),
            {**decided, **self.sizes},
            cidr=cidr,
        )
        if self.notes:
            target = replace(target, document={**target.document, **self.notes})
        settled = rolling.settle(
            target,
            view,
            news=self.rolled,
            retry=self.retry,
            at_once=self.at_once,
        )
        inside = world.guests
        plan = planning.plan(
            settled.target,
            view,
            site=world.site.name,
            avoid=avoid.addresses,
            routing=Routing(
                site=world.site,
                farm=farm,
                files=world.routers,
                live=inside is not None,
            ),
            configuration="" if inside is None else inside.configuration(farm),
            tending=self.tending,
            rolling=settled.rolling,
        )
        return replace(plan, notes=(*plan.notes, *settled.notes))

    def _class_c(self, world: World, view: CloudView, avoid: Avoid) -> str:
        farm = self.declared
        choose = partial(
            addresses.class_c,
            world.site.networks,
            view,
            farm=farm.name,
            avoid=avoid.cidrs,
        )
        seed = avoid.seed or _raced(view, farm.name)
        if self.prefer and farm.network == "auto" and not seed:
            with suppress(NotPossibleError):
                return choose(wish=self.prefer)
        return choose(wish=farm.network, seed=seed)

    def proof(self, view: CloudView) -> Intent:
        del view
        return self


def _raced(view: CloudView, farm: str) -> str:
    """Return a seed if the class C that a farm's document names is another's as well.

    Of many farms that are made at once each has noted the lowest free one. Those that
    see it now spread, instead of racing together for the next lowest.
    """
    mine = view.farm(farm)
    noted = addresses.noted_cidr(mine.document) if mine.network is None else ""
    if noted and addresses.earlier_claim(view, farm=farm, cidr=noted):
        return "raced"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """The farm as the cloud shows it declared, with one pool of another size.

    What is declared is read anew from each view: under the lock it may be another than
    before, and what somebody else has changed meanwhile is not taken back.
    """

    farm: str
    pool: str
    size: int

    def draw(self, world: World, view: CloudView, avoid: Avoid = _NOTHING) -> Plan:
        return self._declared(view, site=world.site.name).draw(world, view, avoid)

    def proof(self, view: CloudView) -> Intent:
        del view
        return self

    def _declared(self, view: CloudView, *, site: str) -> Declared:
        farm = declared_in(view, self.farm, site=site)
        if self.pool not in farm.pools:
            raise NotPossibleError(
                f"{self.farm} has no pool {self.pool!r}.",
                hint=did_you_mean(self.pool, list(farm.pools), else_say="It has"),
            )
        count = farm.pools[self.pool].count
        if count.min == count.max:
            return Declared(declared=_with_count(farm, self.pool, self.size))
        if count.within(self.size) != self.size:
            limit = "min" if self.size < count.min else "max"
            bound = count.min if self.size < count.min else count.max
            raise NotPossibleError(
                f"{self.farm} cannot have {self.size} nodes in {self.pool}: "
                f"pools.{self.pool}.count.{limit} is {bound}.",
                hint="Change count in the farm's file and apply it.",
            )
        return Declared(declared=farm, sizes={self.pool: self.size})


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """The farm gone, all that carries its tag."""

    farm: str

    def draw(self, world: World, view: CloudView, avoid: Avoid = _NOTHING) -> Plan:
        del avoid
        return planning.plan_destroy(self.farm, view, site=world.site.name)

    def proof(self, view: CloudView) -> Intent:
        del view
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A plan that was made before, to be carried out as it stands or not at all."""

    plan: Plan

    @property
    def farm(self) -> str:
        return self.plan.farm

    def draw(self, world: World, view: CloudView, avoid: Avoid = _NOTHING) -> Plan:
        del avoid
        self.refuse_outdated(world, view)
        return self.plan

    def proof(self, view: CloudView) -> Intent:
        if self.plan.destroys:
            return Destroyed(farm=self.farm)
        return Declared(declared=declared_in(view, self.farm, site=self.plan.site))

    def refuse_outdated(self, world: World, view: CloudView) -> None:
        """Raise PlanOutdatedError if the cloud has moved on since."""
        if self.plan.endpoint != view.endpoint or self.plan.site != world.site.name:
            raise PlanOutdatedError(
                f"The plan was made for {self.plan.site} at {self.plan.endpoint}, and "
                f"this is {world.site.name} at {view.endpoint}.",
                moved=("the cloud is another one",),
                hint="Make a new plan.",
            )
        moved = fingerprints.moved(self.plan, _without_ours(self.plan, view))
        if moved:
            raise PlanOutdatedError(
                f"The cloud has moved on since the plan of {self.farm} was made:\n"
                + "\n".join(f"  {line}" for line in moved),
                moved=moved,
                hint="Make a new plan, look at it, and apply that.",
            )


def _without_ours(plan: Plan, view: CloudView) -> CloudView:
    """Return the view without the document that our own lock has made for the plan.

    It says nothing yet, or what the plan's own step is about to write.
    """
    if any(subject.startswith("document ") for subject in plan.fingerprint):
        return view
    planned = [
        body_of(step)
        for step in plan.steps
        if isinstance(step, CreateObject) and step.kind is Kind.DOCUMENT
    ]
    kept = tuple(
        each
        for each in view.documents
        if each.tag is None
        or each.tag.farm != plan.farm
        or (each.body and each.body not in planned)
    )
    return replace(view, documents=kept)


def makes_nodes(plan: Plan) -> bool:
    """Whether carrying the plan out needs room on hypervisors."""
    return any(
        isinstance(step, CreateNode | ReplaceNode | StartNode) for step in plan.steps
    )


def drawn(
    world: World,
    intent: Intent,
    view: CloudView,
    avoid: Avoid = _NOTHING,
    *,
    room: Capacity | None = None,
) -> tuple[Plan, CloudView, list[str]]:
    """Draw a plan, and hold it against capacity and quota.

    Two more calls, and only where nodes are made or started.

    Args:
        world: the cloud, and all else that a round needs.
        intent: what is wanted.
        view: one look at the cloud.
        avoid: what is not to be chosen.
        room: the capacity, if it was read just now: it is not read again then.

    Returns:
        The plan, the view with the capacity that was read, and every shortfall.

    Raises:
        InputError: a class that the farm needs has no hypervisors or datastore.
    """
    plan = intent.draw(world, view, avoid)
    if not makes_nodes(plan):
        return plan, view, []
    view = replace(view, capacity=room or world.reads.capacity())
    # Once more, for the mistakes that only the hypervisors show.
    plan = intent.draw(world, view, avoid)
    short = capacity.shortfalls(plan, view.capacity, view.quotas, vms=view.vms)
    return plan, view, short


def refuse_short(farm: str, short: list[str]) -> None:
    """Raise NotPossibleError if there is too little of anything, naming all of it."""
    if short:
        raise NotPossibleError(
            "\n".join((f"There is no room for what {farm} needs:", *short)),
            hint="Nothing was changed in OpenNebula.",
        )


def declared_in(view: CloudView, name: str, *, site: str) -> Farm:
    """Return a farm as its document in the cloud declares it.

    Raises:
        NotPossibleError: no such farm, or its document says nothing.
        InputError: the document holds a farm that this farmctl cannot read.
    """
    farm = view.farm(name)
    if farm.empty:
        raise NotPossibleError(
            f"There is no farm {name!r} at {site}.",
            hint=did_you_mean(name, list(view.farms), else_say="There are"),
        )
    found = farm.document
    if found is None or not found.body:
        raise NotPossibleError(
            f"OpenNebula does not know how {name} was declared: its document "
            f"{'is empty' if found else 'is missing'}.",
            hint="Apply its file again.",
        )
    return record.from_canonical(dict(found.body))


def _with_count(farm: Farm, pool: str, size: int) -> Farm:
    """Return the farm with another fixed count, which holds until the file is applied.

    Raises:
        NotPossibleError: a farm may not have as many nodes.
    """
    count = Count.model_construct(min=size, max=size)
    changed = farm.pools[pool].model_copy(update={"count": count})
    pools = {**farm.pools, pool: changed}
    try:
        return from_canonical(canonical(farm.model_copy(update={"pools": pools})))
    except InputError as error:
        raise NotPossibleError(
            f"{farm.name} cannot have {size} nodes in {pool}: "
            f"{error.mistakes[0].message}",
            hint="Choose a smaller size.",
        ) from error
