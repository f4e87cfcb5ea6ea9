"""The floor under `apply`: the same calls by a bare loop, with the same concurrency.

No plan, no reading of answers, no retry and no proof beyond waiting until every VM has
reported READY: what any program has to spend that makes this farm on this cloud.
"""

import threading
import time
import xmlrpc.client
from concurrent.futures import ThreadPoolExecutor

from lxml import etree

from farmctl.testing import OpenNebula

LOOK = (
    ("one.system.version",),
    ("one.user.info", -1, False),
    ("one.documentpool.info", -2, -1, -1, 4270),
    ("one.vmpool.infoextended", -2, 0, -2000, -1, ""),
    ("one.vnpool.info", -2, -1, -1),
    ("one.secgrouppool.info", -2, -1, -1),
    ("one.templatepool.info", -2, -1, -1),
    ("one.imagepool.info", -2, -1, -1),
)
CONTEXT = 'CONTEXT=[NETWORK="YES",TOKEN="YES",REPORT_READY="YES",X_BASE64="{}"]'
TEMPLATE = (
    'NAME="{name}"\nCPU="1"\nVCPU="1"\nMEMORY="1024"\nDISK=[IMAGE_ID="{image}"]\n'
    + CONTEXT.replace("{}", "eA==" * 500).replace("{", "{{").replace("}", "}}")
    + '\nFARMCTL=[FARM="{farm}"]\nSCHED_REQUIREMENTS="FARM_CLASS=\\"{kind}\\""'
)


class Caller:
    """Calls with one kept connection per thread."""

    def __init__(self, one: OpenNebula) -> None:
        self._endpoint, self._session = one.endpoint, one.session
        self._local = threading.local()

    def __call__(self, method: str, *args: object) -> object:
        """Call a method and return its value."""
        proxy = getattr(self._local, "proxy", None)
        if proxy is None:
            proxy = self._local.proxy = xmlrpc.client.ServerProxy(self._endpoint)
        answer = getattr(proxy, method)(self._session, *args)
        if not answer[0]:
            raise RuntimeError(answer[1])
        return answer[1]


def _ids(pool: object) -> dict[str, str]:
    root = etree.fromstring(str(pool))
    return {each.findtext("NAME"): int(each.findtext("ID")) for each in root}


def apply(one: OpenNebula, *, farm: str, octet: int, workers: int) -> float:
    """Make a router, a head and workers; return the seconds until all are READY."""
    call = Caller(one)
    images = _ids(call("one.imagepool.info", -2, -1, -1))
    hosts = _ids(call("one.hostpool.info"))
    stores = _ids(call("one.datastorepool.info"))
    service = [hosts[name] for name in sorted(hosts) if name.startswith("svc")]
    worker = [hosts[name] for name in sorted(hosts) if name.startswith("wrk")]
    began = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:

        def look() -> None:
            list(pool.map(lambda each: call(*each), LOOK))

        def template(kind: str, image: str) -> object:
            text = TEMPLATE.format(
                name=f"{farm}-{image}", image=images[image], farm=farm, kind=kind
            )
            return call("one.template.allocate", text)

        look()
        list(
            pool.map(
                lambda each: call(*each),
                (("one.hostpool.info",), ("one.datastorepool.info",)),
            )
        )
        document = call("one.document.allocate", f'NAME="{farm}"\nB="x"', 4270)
        call("one.document.lock", document, 3, True)
        call("one.document.update", document, 'B="y"', 1)
        look()
        groups = list(
            pool.map(
                lambda name: call(
                    "one.secgroup.allocate",
                    f'NAME="{farm}-{name}"\nRULE=[PROTOCOL="ALL",RULE_TYPE="outbound"]',
                ),
                ("lan", "wan"),
            )
        )
        network = call(
            "one.vn.allocate",
            f'NAME="{farm}"\nVN_MAD="dummy"\nBRIDGE="br{octet}"\n'
            f'AR=[TYPE="IP4",IP="10.9.{octet}.1",SIZE="254"]',
            -1,
        )
        call("one.vn.update", network, f'SECURITY_GROUPS="{groups[0]}"', 1)
        while f"<ID>{network}</ID>" not in str(call("one.vnpool.info", -2, -1, -1)):
            time.sleep(0.02)
        while "<STATE><![CDATA[1]]>" not in str(call("one.vn.info", network, False)):
            time.sleep(0.02)
        router, head, wn = pool.map(
            template,
            ("service", "service", "worker"),
            ("openwrt-24.10", "head-el9-2026-11", "wn-el9-2026-11"),
        )

        def node(each: tuple[object, str, int, int, int]) -> object:
            made_of, name, last, host, store = each
            extra = (
                f'NIC=[NETWORK_ID="{network}",IP="10.9.{octet}.{last}"]\n'
                f'FARMCTL=[FARM="{farm}",NODE="{name}"]'
            )
            vm = call("one.template.instantiate", made_of, name, True, extra, False)
            call("one.vm.deploy", vm, host, True, store, "")
            return vm

        wanted = [
            (router, f"{farm}-router", 254, service[0], stores["gluster"]),
            (head, f"{farm}-head", 253, service[1], stores["gluster"]),
            *(
                (
                    wn,
                    f"{farm}-wn-{number:03d}",
                    number,
                    worker[number % len(worker)],
                    stores["lvm"],
                )
                for number in range(1, workers + 1)
            ),
        ]
        vms = ",".join(str(each) for each in pool.map(node, wanted))
        pause = 0.2
        while True:
            shown = str(call("one.vmpool.infoset", vms, True))
            if shown.count("<READY>") == len(wanted):
                break
            time.sleep(pause)
        look()
        call("one.document.update", document, 'B="z"', 1)
        call("one.document.unlock", document)
    return time.perf_counter() - began
