"""The farm of a replay: nodes, queue and slots, and what they cost.

`engine` turns the clock and calls what is below the line "for the engine"; a policy
looks at the public fields and calls `start`, `stop`, `drain`, `undrain`, `park` and
`wake`. Placement is the same for every policy: the largest shape first (as a batch
system's node weights have it), in it the fullest node that has room, the oldest of
equals; first come first served among tasks of one width.
"""

from bisect import bisect_left, insort
from collections import deque
from heapq import heappush
from math import gcd

from farmctl.simulate.cloudmodel import CloudModel, Draws
from farmctl.simulate.ledger import Ledger
from farmctl.simulate.trace import Job

BOOTING, READY, STANDBY, STOPPING, GONE = range(5)

END, JOINED, STOPPED = range(3)
"""What an event in the heap is: a piece of work ends, a boot or resume, a stop."""


class Piece:
    """Some slots of a job: waiting, or running on one node."""

    __slots__ = ("begun", "job", "left", "node", "width")

    def __init__(self, job: Job, left: int, width: int) -> None:
        self.job = job
        self.left = left
        self.width = width
        self.begun = 0.0
        self.node: Node | None = None


class Node:
    """One node of a replay."""

    __slots__ = (
        "born", "busy", "draining", "ended", "epoch", "fails", "id", "idle_since",
        "joined",
        "pool", "slots", "state", "version", "work",
    )  # fmt: skip

    def __init__(self, number: int, pool: str, slots: int, now: float) -> None:
        self.id = number
        self.pool = pool
        self.slots = slots
        self.state = BOOTING
        self.busy = 0
        self.draining = False
        self.born = now
        self.joined = 0.0
        self.ended = 0.0
        self.idle_since = now
        self.epoch = 0
        self.version = 0
        self.fails = False
        self.work: dict[int, Piece] = {}

    @property
    def free(self) -> int:
        """Slots that take work if it comes."""
        if self.state != READY or self.draining:
            return 0
        return self.slots - self.busy


class Farm:
    """The state of one replay, as policies see and change it.

    `queued` and `running` count slots; `nodes` holds every node that is booting, ready
    or on standby; `booting` and `idle` are the nodes of those kinds in the order in
    which they became so. `slots` is the width of the first pool.
    """

    def __init__(self, cloud: CloudModel, pools: dict[str, int]) -> None:
        self.cloud = cloud
        self.pools = pools
        self.pool, self.slots = next(iter(pools.items()))
        self.now = 0.0
        self.queued = 0
        self.running = 0
        self.nodes: dict[int, Node] = {}
        self.booting: dict[int, Node] = {}
        self.idle: dict[int, Node] = {}
        self.standby: dict[int, Node] = {}
        self.stopping: dict[int, Node] = {}
        self.queue: dict[int, deque[Piece]] = {}
        self.ledger = Ledger(gcd(*pools.values()))
        self.events: list[tuple[float, int, int, object, int]] = []
        self.changed = True
        self.finished: list[Piece] = []
        self._draws = Draws(cloud)
        self._rooms: dict[int, list[list[int]]] = {
            slots: [[] for _ in range(slots + 1)]
            for slots in sorted({*pools.values()}, reverse=True)
        }
        self._existing = 0
        self._standby_slots = 0
        self._serial = 0
        self._numbers = 0

    # What a policy sees.

    @property
    def booting_slots(self) -> int:
        """Slots that are on their way."""
        return sum(node.slots for node in self.booting.values())

    @property
    def live(self) -> int:
        """Nodes that are booting or ready and take work: not drained, not parked."""
        return self.ledger.live

    def demand(self) -> int:
        """Nodes of the first pool that the waiting and running work would fill."""
        return -(-(self.queued + self.running) // self.slots)

    def oldest_wait(self) -> float | None:
        """When the longest-waiting piece came; None when nothing waits."""
        heads = [queue[0].job.submit for queue in self.queue.values() if queue]
        return min(heads, default=None)

    def room(self) -> int:
        """Slots that the quota still allows."""
        if self.cloud.quota is None:
            return 1 << 30
        return self.cloud.quota - self._existing

    # What a policy does.

    def start(self, count: int, pool: str = "") -> int:
        """Boot `count` nodes; return how many the quota allowed."""
        pool = pool or self.pool
        slots = self.pools[pool]
        count = max(0, min(count, self.room() // slots))
        for _ in range(count):
            node = Node(self._numbers, pool, slots, self.now)
            self._numbers += 1
            self.nodes[node.id] = self.booting[node.id] = node
            self._existing += slots
            self.ledger.boot(slots)
            node.fails = self._draws.fails()
            self._push(self.now + self._draws.boot(), JOINED, node, node.epoch)
        self.changed |= count > 0
        return count

    def stop(self, node: Node) -> None:
        """End a node that runs nothing, or a boot that is under way."""
        if node.busy:
            raise AssertionError(f"node {node.id} runs work")
        self._leave(node)
        node.state = STOPPING
        node.version += 1
        node.ended = self.now
        del self.nodes[node.id]
        self.stopping[node.id] = node
        self.ledger.stop(node.slots, self.now - node.born)
        node.epoch += 1
        self._push(self.now + self.cloud.stop, STOPPED, node, node.epoch)
        self.changed = True

    def drain(self, node: Node) -> None:
        """Give the node no new work; `undrain` takes it back."""
        if node.state == READY and not node.draining:
            self._room_out(node)
            node.draining = True
            node.version += 1
            self.ledger.drain(node.slots, node.busy)
            self.changed = True

    def undrain(self, node: Node) -> None:
        """Let a draining node take work again."""
        if node.state == READY and node.draining:
            node.draining = False
            node.version += 1
            self._room_in(node)
            self.ledger.undrain(node.slots, node.busy)
            self.changed = True

    def park(self, node: Node) -> bool:
        """Put an empty node on standby; tell whether there was room for it."""
        full = self._standby_slots + node.slots > self.cloud.standby
        if full or node.busy or node.state != READY:
            return False
        self._leave(node)
        node.draining = False
        node.state = STANDBY
        node.version += 1
        node.idle_since = self.now
        self._standby_slots += node.slots
        self._existing -= node.slots
        self.standby[node.id] = node
        self.ledger.park(node.slots)
        self.changed = True
        return True

    def wake(self, node: Node) -> bool:
        """Bring a node back from standby; tell whether the quota allowed it."""
        if node.state != STANDBY or self.room() < node.slots:
            return False
        del self.standby[node.id]
        self._standby_slots -= node.slots
        self._existing += node.slots
        node.state = BOOTING
        node.version += 1
        node.born = self.now
        self.booting[node.id] = node
        self.ledger.boot(node.slots, woken=True)
        self._push(self.now + self._draws.resume(), JOINED, node, node.epoch)
        self.changed = True
        return True

    # For the engine.

    def submit(self, job: Job, *, whole: bool) -> None:
        """Let a job come."""
        width = job.cores if whole else 1
        count = 1 if whole else job.cores
        self.queue.setdefault(width, deque()).append(Piece(job, count, width))
        self.queued += job.cores
        self.changed = True

    def place(self) -> None:
        """Give waiting work to free slots, the fullest node first."""
        if not self.queued:
            return
        for width in sorted(
            (width for width, queue in self.queue.items() if queue),
            key=lambda width: self.queue[width][0].job.submit,
        ):
            queue = self.queue[width]
            while queue:
                node = self._fullest(width)
                if node is None:
                    break
                piece = queue[0]
                count = min(piece.left, node.free // width)
                self._run(piece.job, node, count, width)
                piece.left -= count
                if not piece.left:
                    queue.popleft()
                    self.ledger.all_started(self.now - piece.job.submit)

    def end(self, piece: Piece) -> None:
        """Let a running piece end."""
        node = piece.node
        assert node is not None
        slots = piece.left * piece.width
        if not node.draining:
            self._room_out(node)
        node.busy -= slots
        node.version += 1
        del node.work[id(piece)]
        self.running -= slots
        self.ledger.less(
            slots,
            slots_of_node=node.slots,
            emptied=not node.busy,
            draining=node.draining,
        )
        if not node.busy:
            node.idle_since = self.now
        if not node.draining:
            self._room_in(node)
        self.finished.append(piece)
        self.changed = True

    def join(self, node: Node) -> None:
        """Let a boot or a resume end: the node takes work, or is lost."""
        del self.booting[node.id]
        self.changed = True
        if node.fails:
            del self.nodes[node.id]
            node.state = GONE
            self._existing -= node.slots
            self.ledger.lost(node.slots)
            return
        node.state = READY
        node.version += 1
        node.joined = node.idle_since = self.now
        self.ledger.join(node.slots)
        self._room_in(node)

    def gone(self, node: Node) -> None:
        """Let a stop end."""
        node.state = GONE
        del self.stopping[node.id]
        self.changed = True
        self._existing -= node.slots
        self.ledger.gone(node.slots)

    def _run(self, job: Job, node: Node, count: int, width: int) -> None:
        self._room_out(node)
        piece = Piece(job, count, width)
        piece.begun, piece.node = self.now, node
        node.work[id(piece)] = piece
        slots = count * width
        self.ledger.more(slots, filled=not node.busy, slots_of_node=node.slots)
        node.busy += slots
        node.version += 1
        self.queued -= slots
        self.running += slots
        self.ledger.waited(self.now - job.submit, count, job.run)
        self._push(self.now + job.run, END, piece, 0)
        self._room_in(node)

    def _fullest(self, width: int) -> Node | None:
        for rooms in self._rooms.values():
            for free in range(width, len(rooms)):
                if rooms[free]:
                    return self.nodes[rooms[free][0]]
        return None

    def _room_in(self, node: Node) -> None:
        free = node.slots - node.busy
        if free:
            insort(self._rooms[node.slots][free], node.id)
        if not node.busy:
            self.idle[node.id] = node

    def _room_out(self, node: Node) -> None:
        free = node.slots - node.busy
        if free:
            rooms = self._rooms[node.slots][free]
            del rooms[bisect_left(rooms, node.id)]
        if not node.busy:
            del self.idle[node.id]

    def _leave(self, node: Node) -> None:
        if node.state == BOOTING:
            del self.booting[node.id]
            self.ledger.cancel(node.slots)
        elif node.state == STANDBY:
            del self.standby[node.id]
            self._standby_slots -= node.slots
            self._existing += node.slots
            self.ledger.unpark(node.slots)
        elif node.draining:
            self.ledger.leave(node.slots, draining=True)
        else:
            self._room_out(node)
            self.ledger.leave(node.slots, draining=False)

    def _push(self, when: float, kind: int, what: object, epoch: int) -> None:
        self._serial += 1
        heappush(self.events, (when, self._serial, kind, what, epoch))
