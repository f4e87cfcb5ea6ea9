"""OneGate: what a guest may ask and tell about itself, over HTTP.

A guest proves itself with its VM's id and token; the token is in the CONTEXT volume of
real guests. Attributes go the way of every guest's READY, whatever its driver.
"""

import hmac
import json
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from farmctl.embedded import actions
from farmctl.embedded.attributes import Attributes, Vector
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.engine import Engine
from farmctl.embedded.lifecycle import report
from farmctl.embedded.machine import Actor, Machine
from farmctl.embedded.refusal import Refusal

_TYPE = "application/json;charset=utf-8"
_RESTRICTED = ("SCHED_REQUIREMENTS", "ERROR")
_SHOWN_NIC = ("IP", "MAC", "NAME", "NETWORK")
_OK, _NO_CONTENT, _BAD, _UNAUTHORISED, _FAILED = 200, 204, 400, 401, 500
_DELETE_TYPE = "2"
_ALONE = (
    "This VM does not belong to any Virtual Router or Service, "
    "so it cannot retrieve information from other VMs"
)


def application(engine: Engine, wake: Callable[[], None]) -> Starlette:
    """Return the OneGate server of an engine; `wake` says that something changed."""
    gate = _Gate(engine, wake)
    return Starlette(
        routes=[
            Route("/", gate.root),
            Route("/vm", gate.own, methods=["GET", "PUT"]),
            Route("/vms/{vm_id}", gate.other, methods=["GET", "PUT"]),
            Route("/vms/{vm_id}/action", gate.act, methods=["POST"]),
            Route("/service", gate.service),
            Route("/vrouter", gate.network),
            Route("/vnet/{network_id}", gate.network),
        ]
    )


class _Gate:
    def __init__(self, engine: Engine, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._wake = wake

    async def root(self, request: Request) -> Response:
        """Say where what is."""
        if self._guest(request) is None:
            return _denied()
        url = self._engine.cloud.onegate_url
        return _json({"vm_info": f"{url}/vm", "service_info": f"{url}/service"})

    async def own(self, request: Request) -> Response:
        """Show the guest's VM, or change what the user keeps with it."""
        vm = self._guest(request)
        return _denied() if vm is None else await self._serve(request, vm)

    async def other(self, request: Request) -> Response:
        """Show or change a VM by id: for a guest of no service only its own."""
        vm = self._guest(request)
        if vm is None:
            return _denied()
        if request.path_params["vm_id"] != str(vm.id):
            return _text(_ALONE, _BAD)
        return await self._serve(request, vm)

    async def act(self, request: Request) -> Response:
        """Perform an action on the guest's own VM."""
        vm = self._guest(request)
        if vm is None:
            return _denied()
        if request.path_params["vm_id"] != str(vm.id):
            return _text(_ALONE, _BAD)
        try:
            name = str(json.loads(await request.body())["action"]["perform"])
        except (ValueError, KeyError, TypeError):
            return _text("Error performing action: no action given", _BAD)
        cloud = self._engine.cloud
        try:
            by = Actor(request_id=self._engine.new_request())
            actions.perform(cloud, vm, name, by)
            cloud.commit()
        except Refusal as error:
            cloud.pools.rollback()
            return _text(error.message, _FAILED)
        self._wake()
        return Response(status_code=_NO_CONTENT)

    async def service(self, request: Request) -> Response:
        """Say that the VM is in no OneFlow service."""
        if self._guest(request) is None:
            return _denied()
        return _text("Empty or invalid SERVICE_ID", _BAD)

    async def network(self, request: Request) -> Response:
        """Say that only virtual routers may ask this."""
        if self._guest(request) is None:
            return _denied()
        return _text(
            "Virtual networks information can only be retrieved from Virtual Routers.",
            _BAD,
        )

    def _guest(self, request: Request) -> Machine | None:
        cloud = self._engine.cloud
        cloud.timeline.advance()
        token = request.headers.get("X-ONEGATE-TOKEN", "")
        number = request.headers.get("X-ONEGATE-VMID", "")
        vm = cloud.pools.live.get(int(number)) if number.isdigit() else None
        if vm is None:
            return None
        wanted = cloud.token(vm.id, vm.stime).encode()
        return vm if hmac.compare_digest(token.encode(), wanted) else None

    async def _serve(self, request: Request, vm: Machine) -> Response:
        if request.method == "GET":
            return _json({"VM": shown(vm)})
        cloud = self._engine.cloud
        try:
            text = (await request.body()).decode()
            if request.query_params.get("type") == _DELETE_TYPE:
                _forget(cloud, vm, text)
            else:
                _take(cloud, vm, text)
        except ValueError:
            cloud.pools.rollback()
            return _text("Internal server error", _FAILED)
        cloud.commit()
        self._wake()
        return _text("", _OK)


def shown(vm: Machine) -> dict[str, object]:
    """Return what a guest sees of its VM."""
    template: dict[str, object] = {
        "NIC": [_nic(nic) for nic in vm.nics()],
        "NIC_ALIAS": [_nic(nic) for nic in vm.template.vectors("NIC_ALIAS")],
    }
    return {
        "NAME": vm.name,
        "ID": str(vm.id),
        "STATE": str(int(vm.state)),
        "LCM_STATE": str(int(vm.lcm)),
        "USER_TEMPLATE": _plain(vm.user_template),
        "TEMPLATE": template,
    }


def _nic(nic: Vector) -> Vector:
    return {name: nic[name] for name in _SHOWN_NIC if name in nic}


def _plain(attributes: Attributes) -> dict[str, object]:
    shown_values: dict[str, object] = {}
    for name in sorted(attributes.values):
        values = attributes.values[name]
        shown_values[name] = values[0] if len(values) == 1 else values
    return shown_values


def _take(cloud: Cloud, vm: Machine, text: str) -> None:
    given: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        name = name.strip().upper()
        if not equals or not name.replace("_", "").isalnum():
            raise ValueError(line)
        if name not in _RESTRICTED:
            given[name] = value.strip().strip('"')
    report(cloud, vm, Attributes({name: [value] for name, value in given.items()}))


def _forget(cloud: Cloud, vm: Machine, text: str) -> None:
    cloud.pools.touch(vm)
    for name in text.replace("\n", " ").split():
        if name.upper() not in _RESTRICTED:
            vm.user_template.erase(name.upper())


def _json(value: object) -> Response:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return _text(text, _OK)


def _text(text: str, status: int) -> Response:
    return Response(text, status_code=status, headers={"Content-Type": _TYPE})


def _denied() -> Response:
    return _text("Not authorized", _UNAUTHORISED)
