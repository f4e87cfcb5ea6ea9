"""What real nodes cost: against bare commands, in memory, and until a job is done.

As root only; elsewhere each says that it was left out.
"""

import os
import re
import shutil
import statistics
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import rig
import spent

from farmctl.embedded import trees
from farmctl.embedded.netns import looking
from farmctl.embedded.settings import Settings
from farmctl.testing import OpenNebula, free_public_network

PAIRS = 5
ROUNDS = 3
MANY = 50

SITE = """
site: bench
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker:  {requires: 'FARM_CLASS="worker"',  system_datastore: lvm}
networks:
  farms:  {supernet: 172.16.0.0/16, driver: bridge}
  public: {name: public}
images: {debian: debian-12, slurm: debian-batch-12}
"""
LOGIN = """
login: {{user: root, key_file: key}}
playbook: site.yml
admin: {{addresses: ["{public}"], ssh_keys: ["{key}"]}}
"""
FARM = """
farm: bench
kind: {kind}
router: {{image: debian, flavour: debian}}
{head}
pools:
  wn: {{image: {image}, cpus: 1, memory: 512MiB, count: {count}}}
"""


def _left_out(what: str) -> bool:
    needed = [tool for tool in ("ip", "nft", "debootstrap") if not shutil.which(tool)]
    if os.geteuid() == 0 and not needed:
        return False
    why = "real nodes need root" if os.geteuid() else f"{needed[0]} is not installed"
    print(f"{what}: left out, {why}")
    return True


def _cloud(place: Path) -> OpenNebula:
    one = OpenNebula(
        Settings.of_nodes(
            directory=place / "cloud",
            port=0,
            onegate_port=0,
            owner=os.getpid(),
            public_network=free_public_network(),
        )
    )
    one.start()
    return one


def _written(place: Path, *, workers: int, batch: bool = False) -> None:
    place.mkdir()
    (place / "site.yaml").write_text(SITE)
    text = FARM.format(
        kind="batch" if batch else "plain",
        head="head: {image: slurm, cpus: 1, memory: 512MiB}\nbatch: slurm"
        if batch
        else "head: {image: debian, cpus: 1, memory: 512MiB}",
        image="slurm" if batch else "debian",
        count=f"{{min: {workers}, max: 20}}" if batch else workers,
    )
    (place / "bench.yaml").write_text(text)


def bench_nodes(folder: Path) -> bool:
    """Measure applying 12 real nodes against bare commands, pair by pair."""
    if _left_out("apply of 12 real nodes"):
        return True
    tree = trees.tree("tree:debian-12", cache=trees.usual_cache(), say=print)
    pairs = []
    for number in range(PAIRS):
        place = folder / f"nodes{number}"
        _written(place, workers=10)
        floor = _floor(tree, place / "floor", count=12)
        one = _cloud(place)
        try:
            told = rig.ours("apply", place, one)
        finally:
            one.stop()
        pairs.append(((told["seconds"], told["spent"]), floor))
    kept = True
    for at, what in enumerate(("seconds", "processor seconds")):
        ours, floors = [o[at] for o, _ in pairs], [f[at] for _, f in pairs]
        if not all(floors):
            print("    processor time is not measured: no control group of our own")
            continue
        ratios = sorted(o / f for o, f in zip(ours, floors, strict=True))
        ratio = statistics.median(ratios)
        kept = kept and ratio <= 2
        rig.show(
            f"apply 1+1+10 real nodes, {what}, to bare commands",
            f"{ratio:.2f} x",
            "<= 2 x",
            kept=ratio <= 2,
        )
        print(
            f"    ours {statistics.median(ours):.2f}, "
            f"floor {statistics.median(floors):.2f}, "
            f"ratios {', '.join(f'{each:.2f}' for each in ratios)}"
        )
    return kept


def _floor(tree: Path, place: Path, *, count: int) -> tuple[float, float]:
    """Return the floor's seconds, and its processor seconds."""
    place.mkdir()
    usage = spent.usage()
    spaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    script = str(Path(__file__).with_name("floor.sh"))
    done = subprocess.run(
        [
            *("unshare", *spaces, "bash", script),
            *(str(tree), str(place), str(count), str(usage or "")),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    seconds, used = done.stdout.split()
    return float(seconds), float(used)


def bench_fifty(folder: Path) -> bool:
    """Measure 50 real nodes on this machine: time, and memory of each."""
    if _left_out(f"{MANY} real nodes"):
        return True
    place = folder / "fifty"
    _written(place, workers=MANY - 2)
    one = _cloud(place)
    try:
        seconds = rig.ours("apply", place, one)["seconds"]
        sizes = _memory(one)
    finally:
        one.stop()
    keeper = sizes.pop(looking.FABRIC)
    sizes.pop("outside", None)
    node = statistics.median(sizes.values())
    rig.show(
        f"apply {MANY} real nodes", f"{seconds:.1f} s", "<= 60 s", kept=seconds <= 60
    )
    rig.show(
        "    memory of a node (PSS, median)",
        f"{node:.1f} MiB",
        "<= 16 MiB",
        kept=node <= 16,
    )
    print(
        f"    {len(sizes)} nodes, {sum(sizes.values()):.0f} MiB in all, "
        f"largest {max(sizes.values()):.1f} MiB; the keeper {keeper:.1f} MiB"
    )
    return seconds <= 60 and node <= 16


def _memory(one: OpenNebula) -> dict[str, float]:
    """Return what the processes of each node hold in memory, in MiB.

    Memory that several processes share counts in parts (PSS).
    """
    directory = one.settings.directory
    spaces = {
        Path(f"/proc/{each.pid}/ns/pid").readlink(): each.place
        for each in looking.nodes(directory)
        if each.place != looking.FABRIC
    }
    found: dict[str, float] = defaultdict(float)
    found[looking.FABRIC] = _pss(looking.find(directory, looking.FABRIC).pid)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = spaces.get((process / "ns" / "pid").readlink())
        except OSError:
            continue
        if place is not None:
            found[place] += _pss(int(process.name))
    return dict(found)


def _pss(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


def bench_joining(folder: Path) -> bool:
    """Measure from `farmctl scale` to the end of the new worker's first job."""
    if _left_out("from scale +1 to the first job"):
        return True
    place = folder / "joining"
    _written(place, workers=1, batch=True)
    key = place / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", key],
        check=True,
    )
    one = _cloud(place)
    try:
        login = LOGIN.format(
            public=one.settings.public_network,
            key=key.with_suffix(".pub").read_text().strip(),
        )
        (place / "site.yaml").write_text(SITE + login)
        rig.farmctl(place, one, "apply", "--yes", "bench.yaml")
        seconds = [_first_job(place, one, 2 + number) for number in range(ROUNDS)]
    finally:
        one.stop()
    median = statistics.median(seconds)
    rig.show(
        "from scale +1 to the new worker's first job done",
        f"{median:.1f} s",
        "<= 20 s",
        kept=median <= 20,
    )
    print(f"    {', '.join(f'{each:.1f}' for each in seconds)} s")
    return median <= 20


def _first_job(place: Path, one: OpenNebula, size: int) -> float:
    head = looking.find(one.settings.directory, "bench-head")
    began = time.perf_counter()
    job = subprocess.Popen(  # as many nodes as there will be
        looking.entering(head, ["srun", "-t1", f"-N{size}", "hostname"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    rig.farmctl(place, one, "scale", "--yes", "bench", "wn", str(size))
    told, _ = job.communicate(timeout=120)
    if len(set(told.split())) != size:
        raise SystemExit(f"the job ran on {told!r}, not on {size} nodes")
    return time.perf_counter() - began
