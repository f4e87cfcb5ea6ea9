"""The outside host: what stands for the rest of the world in the public network.

A node over the Debian tree, with our own small init and none of the tree's: gateway of
the public network, its DNS and time server, and a web server that says from which
address it was asked, so that a test sees whether a router hides the nodes behind it.
"""

import ipaddress
from pathlib import Path
from typing import Final

NUMBER: Final = -1
"""Stands for the VM id that it does not have."""
IMAGE: Final = 1 << 31
"""Likewise; no image of the cloud's has this number."""
NAME: Final = "outside"
TREE: Final = "tree:debian-12"
DOMAIN: Final = "example.net"
"""`outside.example.net`, `www.example.net` and `ntp.example.net` are its names."""
POOL: Final = "pool.ntp.org"
"""It is every time server of this pool as well, as routers ask there for the time."""

_WEB = """\
import http.server, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("you are %s\\n" % self.client_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *values):
        sys.stderr.write("web %s %s\\n" % (self.client_address[0], text % values))

http.server.ThreadingHTTPServer(("", 80), Answer).serve_forever()
"""


def write(root: Path, *, address: str, public: str) -> None:
    """Write what the outside host does at its start into its disk.

    Args:
        root: where it writes: the upper directory of its overlay.
        address: its own address.
        public: the public network.
    """
    length = ipaddress.IPv4Network(public).prefixlen
    etc = root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "farmctl-web.py").write_text(_WEB)
    (etc / "farmctl-chrony.conf").write_text(
        f"local stratum 8\nallow {public}\ncmdport 0\npidfile /run/chronyd.pid\n"
    )
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n{address} {NAME}\n")
    script = etc / "rc.local"
    names = ",".join((f"{NAME}.{DOMAIN}", f"www.{DOMAIN}", f"ntp.{DOMAIN}"))
    script.write_text(
        "#!/bin/sh\n"
        "exec >/dev/console 2>&1\n"
        f"ip address add {address}/{length} dev eth0\n"
        "ip link set dev eth0 up\n"
        "echo 1 >/proc/sys/net/ipv4/ip_forward\n"
        "dnsmasq --keep-in-foreground --log-facility=- --no-resolv --no-hosts "
        f"--pid-file= --bind-interfaces --listen-address={address} "
        f"--host-record={names},{address} --address=/{POOL}/{address} &\n"
        "chronyd -x -n -f /etc/farmctl-chrony.conf &\n"
        "python3 /etc/farmctl-web.py &\n"
        "wait\n"
    )
    script.chmod(0o755)
