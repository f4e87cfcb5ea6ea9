"""farmctl in a process of its own, measured from inside; prints one line of JSON.

`apply FOLDER ENDPOINT AUTH_FILE`: seconds that applying FOLDER/bench.yaml takes, once
everything is imported, from the first look to the proof at the end; and the processor
time of all that the benchmark has started, the cloud and its nodes with it.

`many FOLDER ENDPOINT AUTH_FILE`: look once and plan every FOLDER/many-*.yaml: processor
seconds (waiting for the server is not ours), seconds in all, peak memory in MiB.
"""

import json
import resource
import sys
import time
from pathlib import Path

import spent

from farmctl.clock import SystemClock
from farmctl.cloud.opennebula import connect
from farmctl.context import contexts, routers
from farmctl.journal import Journal
from farmctl.reconcile import Silence, World, apply, make_plan
from farmctl.spec import read_farm, read_site


def _world(folder: Path, endpoint: str, auth_file: str) -> World:
    return World(
        cloud=connect(endpoint, auth_file),
        site=read_site(folder / "site.yaml"),
        clock=SystemClock(),
        journal=Journal(folder / "journal", now=time.time, warn=print),
        contexts=contexts,
        routers=routers,
        progress=Silence(),
    )


def measure_apply(world: World, folder: Path) -> dict[str, float]:
    """Apply one farm."""
    farm = read_farm(folder / "bench.yaml")
    began, used = time.perf_counter(), spent.now()
    outcome = apply(world, farm)
    seconds, used = time.perf_counter() - began, spent.now() - used
    if not outcome.complete:
        raise SystemExit(f"not complete: {outcome}")
    return {"seconds": seconds, "spent": used}


def measure_many(world: World, folder: Path) -> dict[str, float]:
    """Look once, plan all."""
    farms = [read_farm(path) for path in sorted(folder.glob("many-*.yaml"))]
    began, used = time.perf_counter(), time.process_time()
    view = world.cloud.look()
    plans = [make_plan(world, farm, view=view) for farm in farms]
    return {
        "cpu": time.process_time() - used,
        "wall": time.perf_counter() - began,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "farms": len(plans),
        "vms": len(view.vms),
        "steps": sum(len(plan.steps) for plan in plans),
    }


def main() -> None:
    """Measure what is named on the command line."""
    what, folder, endpoint, auth_file = sys.argv[1:]
    world = _world(Path(folder), endpoint, auth_file)
    measure = {"apply": measure_apply, "many": measure_many}[what]
    print(json.dumps(measure(world, Path(folder))))
    world.cloud.close()


if __name__ == "__main__":
    main()
