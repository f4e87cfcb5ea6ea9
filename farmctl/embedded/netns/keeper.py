"""The keeper: takes orders from the server, keeps the nodes, and ends with it.

One thread, one event loop. Orders of one VM are carried out in turn, those of several
side by side; `kill` and `forget` do not wait for what is under way, they end it. When
the server's end of the socket closes, for whatever reason, every node ends.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from farmctl.embedded.netns import kernel, outside
from farmctl.embedded.netns.bounds import Bounds
from farmctl.embedded.netns.fabric import Fabric
from farmctl.embedded.netns.messages import Disk, Spec
from farmctl.embedded.netns.node import Node
from farmctl.embedded.netns.plugging import Plugging
from farmctl.embedded.netns.running import FailedError
from farmctl.embedded.netns.spawning import NotMadeError
from farmctl.embedded.netns.storage import NoDiskError, Storage, note
from farmctl.embedded.netns.wiring import FabricError

_LOG = logging.getLogger(__name__)
_LONGEST_ORDER = 1 << 24
_FAILURES = (FailedError, NoDiskError, NotMadeError, FabricError, OSError, ValueError)
_END_SECONDS = 8.0
_AGAIN_SECONDS = 1.0

Order = dict[str, Any]
Work = Callable[[Node, Order], Awaitable[None]]


class Keeper:
    """All nodes of one embedded cloud, and what is asked of them."""

    def __init__(
        self, directory: Path, fabric: Fabric, bounds: Bounds, *, public: str
    ) -> None:
        self._directory = directory
        self._bounds = bounds
        self._storage = Storage(directory)
        self._fabric = fabric
        self._public = public
        self._nodes: dict[int, Node] = {}
        self._tasks: dict[int, dict[int, asyncio.Task[None]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._rest: set[asyncio.Task[None]] = set()
        self._closing = False
        self._barrier: asyncio.Task[None] | None = None
        self._plugging = Plugging(fabric)
        self._work: dict[str, Work] = {
            "prolog": self._prolog,
            "check": self._check,
            "boot": self._boot,
            "restore": self._restore,
            "shutdown": self._shut_down,
            "reboot": self._reboot,
            "save": self._save,
            "present": self._present,
            "remove": self._remove,
            "context": self._context,
            "plug": self._plug_in,
            "unplug": self._unplug,
            "regroup": self._regroup,
            "attach": self._attach,
            "detach": self._detach,
            "snapshot": self._snapshot,
            "saveas": self._save_as,
            "kill": self._kill,
            "forget": self._remove,
        }

    async def serve(self, wire: socket.socket) -> None:
        """Carry out orders until the server is gone; then end everything."""
        reader, self._writer = await asyncio.open_connection(
            sock=wire, limit=_LONGEST_ORDER
        )
        self._background(self._outside())
        self._tell({"event": "ready"})
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        except (ConnectionError, asyncio.IncompleteReadError):
            _LOG.info("the server is gone")
        finally:
            await self._end_all()

    def _take(self, order: Order) -> None:
        match order["do"]:
            case "tidy":
                alive = (set(order["vms"]), set(order["images"]))
                self._background(self._storage.tidy(*alive))
            case "cancel":
                task = self._tasks.get(order["vm"], {}).get(order["id"])
                if task is not None:
                    task.cancel()
            case "drop-network":
                self._background(self._drop_network(order["network"]))
            case "reset":
                self._barrier = asyncio.create_task(self._reset())
            case _:
                self._begin(order)

    def _under_way(self) -> list[asyncio.Task[None]]:
        return [task for tasks in self._tasks.values() for task in tasks.values()]

    async def _drop_network(self, network_id: int) -> None:
        # Its last nodes may be ending.
        await asyncio.gather(*self._under_way(), return_exceptions=True)
        self._plugging.drop(network_id)

    async def _reset(self) -> None:
        """End every node, remove every disk and network; orders after it wait."""
        for task in self._under_way():
            task.cancel()
        nodes = [node for vm, node in self._nodes.items() if vm >= 0]
        for node in nodes:
            await node.end()
            self._plugging.unplug(node.vm)
            del self._nodes[node.vm]
        await self._storage.tidy((), ())
        self._plugging.drop_all()

    def _begin(self, order: Order) -> None:
        vm, number = order["vm"], order["id"]
        under_way = self._tasks.setdefault(vm, {})
        if order["do"] in {"kill", "forget"}:
            for task in under_way.values():
                task.cancel()
        task = asyncio.create_task(self._carry_out(order, self._barrier))
        under_way[number] = task
        task.add_done_callback(lambda _task: under_way.pop(number, None))

    async def _carry_out(
        self, order: Order, barrier: asyncio.Task[None] | None
    ) -> None:
        if barrier is not None:
            await asyncio.shield(barrier)
        node = self._node(order["vm"])
        error = ""
        try:
            async with node.lock:
                await self._work[order["do"]](node, order)
        except _FAILURES as failure:
            error = str(failure) or type(failure).__name__
        except Exception as mistake:  # noqa: BLE001  # the rim: logged, and told
            _LOG.exception("order %s of VM %s failed", order["do"], order["vm"])
            error = f"{type(mistake).__name__}: {mistake}"
        self._tell({"id": order["id"], "error": " ".join(error.split())})

    def _node(self, vm: int) -> Node:
        if vm not in self._nodes:
            self._nodes[vm] = Node(
                vm,
                self._storage,
                plug=self._plugging.boot,
                gone=self._gone,
                bound=self._bounds.take,
            )
        return self._nodes[vm]

    # Orders: each runs with its node's lock held

    async def _prolog(self, node: Node, order: Order) -> None:
        await node.end()
        await self._storage.prepare(Spec.from_json(order["spec"]))

    async def _check(self, _node: Node, order: Order) -> None:
        self._storage.check(Spec.from_json(order["spec"]))

    async def _boot(self, node: Node, order: Order) -> None:
        await node.boot(Spec.from_json(order["spec"]))

    async def _restore(self, node: Node, order: Order) -> None:
        spec = Spec.from_json(order["spec"])
        if not node.runs:
            # Its memory went with the keeper that had it: a cold start is what is left.
            await node.boot(spec)
            return
        self._storage.write_context(spec)
        self._plugging.answer(spec, up=True)
        node.thaw()

    async def _shut_down(self, node: Node, _order: Order) -> None:
        await node.shut_down()
        self._plugging.unplug(node.vm)

    async def _reboot(self, node: Node, order: Order) -> None:
        try:
            await node.restart(hard=bool(order["hard"]))
        except _FAILURES as error:
            _LOG.warning("VM %s does not boot again: %s", node.vm, error)
            self._off(node)
            raise

    async def _kill(self, node: Node, _order: Order) -> None:
        await node.end()
        self._plugging.unplug(node.vm)

    async def _save(self, node: Node, _order: Order) -> None:
        await self._present(node, _order)
        if node.spec is not None:
            self._plugging.answer(node.spec, up=False)
        node.freeze()

    async def _present(self, node: Node, _order: Order) -> None:
        if not node.runs:
            raise NoDiskError("the node does not run")

    async def _remove(self, node: Node, _order: Order) -> None:
        await self._kill(node, _order)
        await self._storage.remove(node.vm)
        if len(self._tasks.get(node.vm, {})) <= 1:
            self._nodes.pop(node.vm, None)
            self._tasks.pop(node.vm, None)

    async def _context(self, node: Node, order: Order) -> None:
        node.spec = spec = Spec.from_json(order["spec"])
        self._storage.write_context(spec)

    async def _plug_in(self, node: Node, order: Order) -> None:
        await self._context(node, order)
        if node.runs and node.spec is not None:
            wanted = [n for n in node.spec.nics if n.nic_id == order["nic"]]
            await self._plugging.plug(node.vm, wanted, node.pid)

    async def _unplug(self, node: Node, order: Order) -> None:
        self._plugging.unplug(node.vm, order["nic"])
        await self._context(node, order)

    async def _regroup(self, node: Node, order: Order) -> None:
        node.spec = spec = Spec.from_json(order["spec"])
        if node.runs:
            self._plugging.regroup(spec)

    async def _attach(self, node: Node, order: Order) -> None:
        node.spec = spec = Spec.from_json(order["spec"])
        await self._storage.attach(spec, Disk(**order["disk"]))

    async def _detach(self, node: Node, order: Order) -> None:
        await self._storage.detach(node.vm, order["disk"])

    async def _snapshot(self, node: Node, order: Order) -> None:
        spec = Spec.from_json(order["spec"])
        running = node.runs and not node.frozen
        if running:
            node.freeze()
        try:
            await self._storage.snapshot(
                spec, order["disk"], order["snapshot"], order["what"]
            )
        finally:
            if running:
                node.thaw()

    async def _save_as(self, _node: Node, order: Order) -> None:
        spec = Spec.from_json(order["spec"])
        await self._storage.save_as(spec, order["disk"], order["image"])

    # What nodes do by themselves

    def _gone(self, node: Node) -> None:
        if not self._closing:
            self._background(self._after(node))

    async def _after(self, node: Node) -> None:
        """See to a node that has ended of itself: boot it again, or tell the server."""
        async with node.lock:
            if node.runs:
                return
            if node.again and node.spec is not None:
                node.again = False
                try:
                    await node.boot(node.spec)
                except _FAILURES as error:
                    _LOG.warning("VM %s does not boot again: %s", node.vm, error)
                else:
                    return
            self._off(node)

    def _off(self, node: Node) -> None:
        self._plugging.unplug(node.vm)
        self._tell({"event": "off", "vm": node.vm})

    # The outside host

    async def _outside(self) -> None:
        try:
            await self._boot_outside()
        except _FAILURES as error:
            _LOG.error("the outside host does not start: %s", error)
            self._tell({"event": "outside", "error": str(error)})

    async def _boot_outside(self) -> None:
        spec = Spec(
            vm=outside.NUMBER,
            name=outside.NAME,
            disks=(Disk(disk_id=0, image_id=outside.IMAGE, path=outside.TREE),),
        )

        async def plug(_spec: Spec, pid: int) -> None:
            self._fabric.plug_outside(pid)

        node = Node(
            outside.NUMBER, self._storage, plug=plug, gone=self._outside_gone, tiny=True
        )
        self._nodes[outside.NUMBER] = node
        async with node.lock:
            await self._storage.prepare(spec)
            upper, _ = await self._storage.layers(spec)
            address = self._fabric.outside_address
            outside.write(upper, address=address, public=self._public)
            await node.boot(spec)

    def _outside_gone(self, _node: Node) -> None:
        async def again() -> None:
            await asyncio.sleep(_AGAIN_SECONDS)
            await self._outside()

        if not self._closing:
            self._background(again())

    # The end

    async def _end_all(self) -> None:
        self._closing = True
        for task in [*self._rest, *self._under_way()]:
            task.cancel()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await asyncio.gather(
                    *(node.end() for node in self._nodes.values()),
                    return_exceptions=True,
                )
        except TimeoutError:
            _LOG.error("not every node ended in %s s", _END_SECONDS)
        try:
            self._fabric.close()
        except FabricError as error:
            _LOG.error("%s", error)

    def _background(self, work: Awaitable[None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001  # the rim: logged
                _LOG.exception("something in the background failed")

        task = asyncio.create_task(guarded())
        self._rest.add(task)
        task.add_done_callback(self._rest.discard)

    def _tell(self, news: Order) -> None:
        if self._writer is not None and not self._closing:
            self._writer.write(json.dumps(news).encode() + b"\n")


def announce(directory: Path) -> None:
    """Leave word of where the keeper is, for those who want to look into its fabric."""
    pid = os.getpid()
    facts = {"name": "fabric", "pid": pid, "start": kernel.started_at(pid)}
    note(directory / "nodes" / "keeper.json", facts)
