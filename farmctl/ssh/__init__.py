"""The way into a farm's nodes: the system's OpenSSH client, led through the router.

`OpenSsh` is the adapter of `model.guests.Shell`; `change_router` changes a router that
runs, and lets it take the change back if that locked us out. Who a guest is, OneGate
vouched for (docs/decisions/0007); who we are, the site's `login` says. What is run in
a guest is the business of whoever asks.
"""

from farmctl.ssh.client import OpenSsh
from farmctl.ssh.identity import Identity, identity, mistakes
from farmctl.ssh.routers import change_router

__all__ = ["Identity", "OpenSsh", "change_router", "identity", "mistakes"]
