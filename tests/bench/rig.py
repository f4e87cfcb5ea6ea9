"""What the benchmarks share: a cloud, a site, farms, and how a figure is printed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from farmctl.embedded.settings import Settings
from farmctl.testing import OpenNebula

SITE = """
site: bench
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker:  {requires: 'FARM_CLASS="worker"',  system_datastore: lvm}
networks:
  farms:  {supernet: 172.16.0.0/16, driver: dummy}
  public: {name: public}
images: {openwrt: openwrt-24.10, head: head-el9-2026-11, wn: wn-el9-2026-11}
concurrency: 16
"""

FARM = """
farm: {name}
kind: plain
router: {{image: openwrt, public_address: {public}}}
{head}pools:
  wn: {{image: wn, cpus: 1, memory: 1GiB, disk: 20GiB, count: {workers}}}
"""
HEAD = "head: {image: head, cpus: 1, memory: 1GiB, disk: 20GiB}\n"


def cloud(directory: Path, **settings: object) -> OpenNebula:
    """Return a cloud that is not started yet, large enough for what is asked of it."""
    return OpenNebula(
        Settings(  # type: ignore[arg-type]
            directory=directory,
            port=0,
            onegate_port=0,
            owner=os.getpid(),
            **settings,
        )
    )


def farm_text(name: str, *, workers: int, head: bool = True) -> str:
    """Return a farm file: a router, a head if wanted, and workers."""
    return FARM.format(
        name=name,
        workers=workers,
        head=HEAD if head else "",
        public="auto" if head else "none",
    )


def farmctl(folder: Path, one: OpenNebula, *words: str) -> tuple[float, str]:
    """Run the command as a whole process; return seconds and its standard output."""
    environment = {
        **os.environ,
        "ONE_XMLRPC": one.endpoint,
        "ONE_AUTH": str(one.auth_file),
        "FARMCTL_SITE": str(folder / "site.yaml"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "farmctl", *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"farmctl {' '.join(words)} failed:\n{done.stderr}")
    return seconds, done.stdout


def show(what: str, value: str, target: str, *, kept: bool) -> None:
    """Print one figure with its target."""
    print(f"{what:<58} {value:>16}   {target:<28} {'ok' if kept else 'MISSED'}")


def ours(what: str, folder: Path, one: OpenNebula) -> dict[str, float]:
    """Run `ours.py` and return what it measured."""
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("ours.py")),
            what,
            str(folder),
            one.endpoint,
            str(one.auth_file),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"measuring {what} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found
