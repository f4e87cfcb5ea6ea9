"""Disks of nodes: directories that an overlay writes into, and copies of them.

    nodes/VM/disk-D/upper     what a node has written to its root
    nodes/VM/snapshots/D/S    a snapshot: a copy of that directory
    nodes/VM/media            further disks, which the node sees as /media
    nodes/VM/context          what the node sees as /context
    images/IMAGE/upper        what a persistent or saved image holds beyond its tree
    images/IMAGE/data         what a persistent image that is no root holds

A tree is never written to. Nothing here knows whether a node runs.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from farmctl.embedded.netns.messages import Disk, Spec
from farmctl.embedded.netns.running import run

TREES = "trees.json"
"""Where whoever started the cloud has left word of the trees that he built."""
_PRIVATE = 0o600


class NoDiskError(Exception):
    """A disk that should be there is not, or the VM has none to boot from."""


class Storage:
    """All disks of one embedded cloud."""

    def __init__(self, directory: Path) -> None:
        self._nodes = directory / "nodes"
        self._images = directory / "images"
        self._trees: dict[tuple[str, int, int], asyncio.Task[Path]] = {}
        for each in (self._nodes, self._images):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._built: dict[str, str] = {}
        """What was built before the start, by an image's path."""
        with contextlib.suppress(OSError, ValueError):
            self._built = json.loads((directory / TREES).read_text())

    def of(self, vm: int) -> Path:
        """Return where all that belongs to a VM is; below 0: to the outside host."""
        return self._nodes / (str(vm) if vm >= 0 else "outside")

    async def tidy(self, vms: Collection[int], images: Collection[int]) -> None:
        """Remove what is left of VMs and images that are no more."""
        for folder, alive in ((self._nodes, vms), (self._images, images)):
            for found in list(folder.iterdir()):
                if found.name.isdigit() and int(found.name) not in alive:
                    if folder is self._nodes:
                        self._give_back(int(found.name))
                    await _remove(found)

    async def tree(self, path: str) -> Path:
        """Return the tree of an image's path.

        Raises:
            FailedError: it cannot be made; says why.
            NoDiskError: the image has none.
        """
        if not path:
            raise NoDiskError("the image has no PATH: no root file system to boot")
        built = Path(self._built.get(path, "/nowhere"))
        if _there(built):
            return built
        key = _state(path)
        known = self._trees.get(key)
        if known is None or (known.done() and not _good(known)):
            # One look for all who wait for it: nodes boot side by side.
            known = self._trees[key] = asyncio.create_task(_fetched(path))
        return await asyncio.shield(known)

    async def prepare(self, spec: Spec) -> None:
        """Make the disks of a VM that comes to its first host, empty of all before.

        Raises:
            FailedError, NoDiskError, OSError: one cannot be had.
        """
        place = self.of(spec.vm)
        self._give_back(spec.vm)
        await _remove(place)
        for name in ("root", "context", "media"):
            (place / name).mkdir(parents=True, mode=0o755)
        place.chmod(0o700)
        self.write_context(spec)
        for number, disk in enumerate(spec.disks):
            if number == 0 and disk.image_id >= 0:
                await self.tree(disk.path)
                self._upper(spec.vm, disk).mkdir(parents=True, exist_ok=True)
            else:
                await self.attach(spec, disk)

    def check(self, spec: Spec) -> None:
        """Check that the VM's root disk is there.

        Raises:
            NoDiskError: it is not.
        """
        upper = self._upper(spec.vm, root_of(spec))
        if not upper.is_dir():
            raise NoDiskError(f"disk {root_of(spec).disk_id} is not there: {upper}")

    async def layers(self, spec: Spec) -> tuple[Path, tuple[Path, ...]]:
        """Return where a VM writes, and the directories below, uppermost first.

        Raises:
            FailedError, NoDiskError: they are not there.
        """
        disk = root_of(spec)
        self.check(spec)
        lower = [await self.tree(disk.path)]
        saved = self._images / str(disk.image_id) / "upper"
        if not disk.persistent and saved.is_dir():
            lower.insert(0, saved)
        return self._upper(spec.vm, disk), tuple(lower)

    async def work(self, spec: Spec) -> Path:
        """Return the overlay's work directory for a VM, made new.

        An overlay that was mounted as volatile leaves a mark there that says so.
        """
        work = self._upper(spec.vm, root_of(spec)).with_name("work")
        await _remove(work)
        work.mkdir()
        return work

    def write_context(self, spec: Spec) -> None:
        """Write CONTEXT as OpenNebula does: each file whole or not at all."""
        folder = self.of(spec.vm) / "context"
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["# Context variables generated by OpenNebula"]
        for name, value in sorted(spec.context.items()):
            quoted = value.replace("'", "'\\''")
            lines.append(f"{name}='{quoted}'")
        _write(folder / "context.sh", "\n".join(lines) + "\n")
        if spec.token:
            _write(folder / "token.txt", spec.token)
        else:
            (folder / "token.txt").unlink(missing_ok=True)

    async def attach(self, spec: Spec, disk: Disk) -> None:
        """Put a further disk where the node sees it.

        Raises:
            FailedError: its content cannot be had.
        """
        place = self._medium(spec.vm, disk.disk_id)
        if place.exists():
            return
        if disk.persistent:
            data = self._images / str(disk.image_id) / "data"
            if not data.exists():
                await self._fill(data, disk.path)
            data.rename(place)
            _write(self.of(spec.vm) / f"lent-{disk.disk_id}", str(disk.image_id))
        else:
            await self._fill(place, disk.path)

    async def detach(self, vm: int, disk_id: int) -> None:
        """Take a further disk from the node; a persistent one keeps what it holds."""
        self._return(vm, disk_id)
        await _remove(self._medium(vm, disk_id))

    async def remove(self, vm: int) -> None:
        """Remove all that belongs to a VM."""
        self._give_back(vm)
        await _remove(self.of(vm))

    async def snapshot(self, spec: Spec, disk_id: int, number: int, what: str) -> None:
        """Make (`create`), go back to (`revert`) or drop (`delete`) a snapshot.

        Raises:
            FailedError: it cannot be copied.
            NoDiskError: there is no such disk.
        """
        disk = next((d for d in spec.disks if d.disk_id == disk_id), None)
        if disk is None:
            raise NoDiskError(f"there is no disk {disk_id}")
        source = (
            self._upper(spec.vm, disk)
            if disk == spec.disks[0]
            else self._medium(spec.vm, disk_id)
        )
        kept = self.of(spec.vm) / "snapshots" / str(disk_id) / str(number)
        match what:
            case "create":
                await _copy(source, kept)
            case "revert":
                await _copy(kept, source)
            case _:
                await _remove(kept)

    async def save_as(self, spec: Spec, disk_id: int, image_id: int) -> None:
        """Copy what a VM has written to its root disk into an image of its own.

        Raises:
            FailedError: it cannot be copied.
            NoDiskError: the disk is not the VM's root.
        """
        disk = root_of(spec)
        if disk.disk_id != disk_id:
            raise NoDiskError("only the disk that the VM boots from can be saved")
        saved = self._images / str(disk.image_id) / "upper"
        if not disk.persistent and saved.is_dir():
            raise NoDiskError("the disk of a saved image cannot be saved once more")
        await _copy(self._upper(spec.vm, disk), self._images / str(image_id) / "upper")

    async def _fill(self, place: Path, path: str) -> None:
        if path:
            await _copy(await self.tree(path), place)
        else:
            await run("mkdir", "-p", str(place))

    def _upper(self, vm: int, disk: Disk) -> Path:
        if disk.persistent:
            return self._images / str(disk.image_id) / "upper"
        return self.of(vm) / f"disk-{disk.disk_id}" / "upper"

    def _medium(self, vm: int, disk_id: int) -> Path:
        return self.of(vm) / "media" / f"one-disk.{disk_id}"

    def _give_back(self, vm: int) -> None:
        """Return what persistent images lent to a VM."""
        for note in self.of(vm).glob("lent-*"):
            self._return(vm, int(note.name.partition("-")[2]))

    def _return(self, vm: int, disk_id: int) -> None:
        note = self.of(vm) / f"lent-{disk_id}"
        with contextlib.suppress(FileNotFoundError):
            data = self._images / note.read_text() / "data"
            data.parent.mkdir(exist_ok=True)
            self._medium(vm, disk_id).rename(data)
            note.unlink()


def root_of(spec: Spec) -> Disk:
    """Return the disk that a VM boots from.

    Raises:
        NoDiskError: it has none.
    """
    if not spec.disks or spec.disks[0].image_id < 0:
        raise NoDiskError("the VM has no disk with an image to boot from")
    return spec.disks[0]


def note(file: Path, values: Mapping[str, object]) -> None:
    """Write a small file of facts, whole or not at all."""
    _write(file, json.dumps(dict(values)))


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(text)
    draft.chmod(_PRIVATE)
    draft.replace(file)


async def _fetched(path: str) -> Path:
    module = "farmctl.embedded.netns.fetching"
    return Path((await run(sys.executable, "-m", module, path)).strip())


def _good(known: asyncio.Task[Path]) -> bool:
    """Say whether a tree was had, and is there still."""
    had = not known.cancelled() and known.exception() is None
    return had and _there(known.result())


def _there(folder: Path) -> bool:
    return folder.is_dir()


def _state(path: str) -> tuple[str, int, int]:
    """Return a path with what tells that the file there is another one now."""
    if not path.startswith("tree:"):
        with contextlib.suppress(OSError):
            status = Path(path).stat()
            return path, status.st_mtime_ns, status.st_size
    return path, 0, 0


async def _copy(source: Path, target: Path) -> None:
    await _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    await _remove(draft)
    await run("cp", "-a", "--reflink=auto", str(source), str(draft))
    draft.rename(target)


async def _remove(path: Path) -> None:
    if not _removed(path):
        await run("rm", "-rf", "--one-file-system", str(path))


def _removed(path: Path) -> bool:
    """Remove a file or an empty directory; say whether nothing is left."""
    try:
        # Often that is all there is, and much faster than a program.
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
