import base64
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from farmctl.model.router import Interface, Zone
from farmctl.plan import router
from farmctl.plan.addresses import head_address, worker_addresses
from farmctl.spec import Farm, Site

KEY = (
    "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIJ2rQxCzbbVvtBg0fhZ5lvJqGxqOmFPVcWQPwGgYQk9e "
    "tina@example.org"
)


SITE = {
    "site": "torino",
    "domain": "farm.example.org",
    "hypervisors": {
        "service": {
            "requires": 'FARM_CLASS="service"',
            "system_datastore": "gluster",
        },
        "worker": {
            "requires": 'FARM_CLASS="worker"',
            "system_datastore": "lvm",
        },
    },
    "networks": {
        "farms": {"supernet": "172.16.0.0/16", "driver": "dummy"},
        "public": {"name": "public"},
    },
    "images": {"openwrt": "openwrt-24.10", "el9": "el9"},
    "admin": {"ssh_keys": [KEY]},
}

CASES = Path(__file__).parent / "openwrt"


@pytest.fixture(scope="session")
def site():
    return Site.model_validate(SITE)


@pytest.fixture(scope="session")
def draw_router():
    """Draw the values of a router from a case: site, farm, addresses, nodes."""

    def draw(case):
        cidr, farm = case["cidr"], Farm.model_validate(case["farm"])
        names = [
            f"{farm.name}-{pool}-{number:03d}"
            for pool, count in case["nodes"].items()
            if pool != "head"
            for number in range(1, count + 1)
        ]
        hosts = [
            router.Host(name=name, address=address)
            for name, address in zip(
                names, worker_addresses(cidr, len(names), in_use=()), strict=True
            )
        ]
        if case["nodes"].get("head"):
            hosts.append(
                router.Host(name=f"{farm.name}-head", address=head_address(cidr))
            )
        public = case["public"]
        return router.draw(
            Site.model_validate({**SITE, **case.get("site", {})}),
            farm,
            cidr=cidr,
            hosts=hosts,
            public=None
            if public is None
            else Interface(
                zone=Zone.WAN, **{**public, "dns": tuple(public.get("dns", ()))}
            ),
        )

    return draw


@pytest.fixture(scope="session", params=sorted(each.name for each in CASES.iterdir()))
def golden(request):
    """A farm of the collection: the folder that has its case and its files."""
    return CASES / request.param


@pytest.fixture(scope="session")
def golden_values(golden, draw_router):
    return draw_router(yaml.safe_load((golden / "case.yaml").read_text()))


@pytest.fixture(scope="session")
def draw_farm():
    def draw(**more):
        return Farm.model_validate(
            {
                "farm": "alice-wn",
                "kind": "batch",
                "batch": "slurm",
                "router": {"image": "openwrt", "flavour": "openwrt"},
                "head": {"image": "el9", "cpus": 4, "memory": "8GiB"},
                "pools": {
                    "wn": {"image": "el9", "cpus": 6, "memory": "15GiB", "count": 2}
                },
                **more,
            }
        )

    return draw


@pytest.fixture
def boot(tmp_path):
    """Run a node's start script as its guest would, below a folder."""
    made = []

    def run(context, *, name="alice-wn-wn-001", address="172.16.40.1", shell=("sh",)):
        root = tmp_path / f"guest-{len(made)}"
        made.append(root)
        script = tmp_path / "start"
        script.write_bytes(base64.b64decode(context["START_SCRIPT_BASE64"]))
        return again(root, script, context, name, address, shell)

    return run


def again(root: Path, script: Path, context, name, address, shell):
    root.mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "FARMCTL_ROOT": str(root),
        "SET_HOSTNAME": name,
        "ETH0_IP": address,
        **{key: value for key, value in context.items() if key.startswith("FARMCTL_")},
    }
    done = subprocess.run(
        [*shell, str(script)],
        env=environment,
        capture_output=True,
        timeout=30,
        check=False,
    )
    return root, done


@pytest.fixture
def read_back():
    """Return the values as a shell that sources the file has them."""

    def read(root, *names):
        program = '. "$1/etc/farmctl/values"; shift; for n; do eval "v=\\$$n"; '
        program += "printf '%s\\0' \"$v\"; done"
        done = subprocess.run(
            ["sh", "-c", program, "sh", str(root), *names],
            capture_output=True,
            timeout=30,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        return [each.decode() for each in done.stdout.split(b"\0")[:-1]]

    return read
