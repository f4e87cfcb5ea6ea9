"""How an embedded cloud is set up: where it lives, how large and how fast it is."""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

PRIVATE = 0o600
USUAL_PORT = 2633
USUAL_ONEGATE_PORT = 5030


def default_directory() -> Path:
    """Return `$XDG_STATE_HOME/farmctl/cloud`, by default below `~/.local/state`."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "farmctl" / "cloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long things take, in seconds of the cloud's clock."""

    prolog: float = 0.3
    """Copying the disks to the host."""
    boot: float = 0.3
    """From the disks to RUNNING."""
    ready: float = 1.5
    """From RUNNING to the guest's READY=YES."""
    shutdown: float = 0.2
    """Stopping a guest, gracefully or hard."""
    epilog: float = 0.1
    """Giving the disks up."""
    save: float = 0.3
    """Writing a guest's memory to disk."""
    migrate: float = 0.4
    """A live migration."""
    hotplug: float = 0.3
    """Attaching or changing a NIC, a disk, the size of a running guest."""
    network: float = 0.05
    """How long a network stays LOCK_CREATE or LOCK_DELETE."""
    image: float = 0.1
    """Registering or copying an image."""
    commit: float = 0.3
    """Carrying a changed security group to the VMs that use it."""
    monitor: float = 10.0
    """Between two looks at a host or VM; a dead host is noticed within this."""
    scheduler: float = 1.0
    """Between two cycles of the scheduler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An embedded cloud, as `start` takes it.

    The counts and shapes shape the cloud at its first start only; afterwards it is
    what it has become.
    """

    directory: Path = field(default_factory=default_directory)
    """Where state, password and log are kept; one server per directory."""
    port: int = USUAL_PORT
    """XML-RPC on 127.0.0.1. OpenNebula's own only where it is free; 0 takes a free
    one, the last start's if it can; any other must be had exactly."""
    onegate_port: int = USUAL_ONEGATE_PORT
    """OneGate on 127.0.0.1, likewise."""
    service_hosts: int = 6
    worker_hosts: int = 28
    service_cores: int = 32
    worker_cores: int = 32
    service_memory: int = 128 * 1024
    """MiB. Six hosts of 32 cores hold Torino's services with one host dead."""
    worker_memory: int = 128 * 1024
    """MiB. 28 hosts of 32 cores hold 140 workers of six cores and 15 GiB."""
    public_addresses: int = 60
    timings: Timings = field(default_factory=Timings)
    scheduler_max_dispatch: int = 30
    """VMs that one scheduler cycle places at most, as OpenNebula's MAX_DISPATCH."""
    scheduler_max_host: int = 1
    """VMs that one cycle places on one host at most, as OpenNebula's MAX_HOST."""
    scale: float = 1.0
    """Seconds of the cloud's clock in one of the machine's."""
    owner: int = 0
    """The process with which the cloud ends, such as a test run; 0: with none."""
    driver: Literal["dummy", "netns"] = "dummy"
    """What its VMs are: rows, or nodes of this machine, for which it needs root."""
    public_network: str = "203.0.113.0/24"
    """The public network; with `netns` the machine has its second address."""
    content: bool = True
    """Whether to start with networks and images, or with hosts and datastores only."""

    def to_json(self) -> str:
        """Write the settings as JSON."""
        return json.dumps(asdict(self), default=str, indent=1)

    @classmethod
    def of_nodes(cls, **changes: Any) -> Self:
        """Return the settings of a cloud of real nodes, which share this machine."""
        usual: dict[str, Any] = {
            "driver": "netns",
            "service_hosts": 2,
            "worker_hosts": 4,
            "service_cores": 256,
            "worker_cores": 256,
            "service_memory": 1024 * 1024,
            "worker_memory": 1024 * 1024,
            # Few hosts, and nodes that boot in a second: no need to go one by one.
            "scheduler_max_host": 16,
        }
        return cls(**{**usual, **changes})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read settings that `to_json` wrote.

        Raises:
            ValueError: the text is none.
        """
        data: dict[str, Any] = json.loads(text)
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(unknown)}")
        data["directory"] = Path(data["directory"])
        data["timings"] = Timings(**data["timings"])
        return cls(**data)

    @property
    def real(self) -> bool:
        """Whether its VMs are real nodes."""
        return self.driver != "dummy"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.directory / "cloud.db"

    @property
    def endpoint_file(self) -> Path:
        """Where the running server says how it is reached."""
        return self.directory / "endpoint.json"

    @property
    def ports_file(self) -> Path:
        """Which ports were had last."""
        return self.directory / "ports.json"

    @property
    def settings_file(self) -> Path:
        """The settings of the server, written by whoever starts it."""
        return self.directory / "settings.json"

    @property
    def log_file(self) -> Path:
        """What the server had to say."""
        return self.directory / "server.log"

    @property
    def auth_file(self) -> Path:
        """The 0600 file with `oneadmin:PASSWORD`."""
        return self.directory / "one_auth"
