"""An embedded cloud under test: `OpenNebula`, what it gives and what it refuses."""

import base64
import json
import subprocess
import urllib.error
import urllib.request
import xmlrpc.client
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from farmctl.embedded.process import Running
    from farmctl.embedded.settings import Settings

_TIMEOUT = 60.0


class Refused(Exception):  # noqa: N818  # it is OpenNebula's answer, not our mistake
    """OpenNebula said no: `code` is its class of error, -5xx the XML-RPC layer's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class Fault:
    """A fault that is in force until it is lifted; `with` lifts it at the end."""

    def __init__(self, cloud: "OpenNebula", number: int) -> None:
        self._cloud = cloud
        self.number = number

    def lift(self) -> None:
        """Lift the fault; one that is used up may be lifted too."""
        self._cloud.control("clear_faults", fault=self.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.lift()


class _Once(xmlrpc.client.Transport):
    """Calls once: a call whose answer was lost must not be made again unseen."""

    def request(
        self,
        host: Any,
        handler: str,
        request_body: Any,
        verbose: bool = False,  # noqa: FBT001, FBT002  # as xmlrpc.client has it
    ) -> Any:
        return self.single_request(host, handler, request_body, verbose)


class OpenNebula:
    """An embedded cloud under test, and the strings on which it hangs."""

    def __init__(self, settings: "Settings") -> None:
        self.settings = settings
        self._running: Running | None = None

    @property
    def endpoint(self) -> str:
        """The URL of XML-RPC, for `pyone.OneServer` or `$ONE_XMLRPC`."""
        return self._at().endpoint

    @property
    def onegate(self) -> str:
        """The URL of OneGate."""
        return self._at().onegate

    @property
    def auth_file(self) -> Path:
        """A file with oneadmin's session string, for `$ONE_AUTH`."""
        return self._at().auth_file

    @property
    def session(self) -> str:
        """Oneadmin's session string, `oneadmin:PASSWORD`."""
        return self.auth_file.read_text().strip()

    @property
    def auth(self) -> str:
        """The same as `session`."""
        return self.session

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._at().pid

    def start(self) -> None:
        """Start the cloud; what it held when it was stopped is there again.

        Raises:
            NotPossibleError: it does not start.
        """
        from farmctl.embedded import process  # noqa: PLC0415  # light to import

        self._running = process.start(self.settings)

    def stop(self) -> None:
        """Stop the cloud in good order."""
        from farmctl.embedded import process  # noqa: PLC0415  # light to import

        process.stop(self.settings)
        self._running = None

    def kill(self) -> None:
        """Kill the server at once: whatever it has answered must be there again."""
        from farmctl.embedded import process  # noqa: PLC0415  # light to import

        process.kill(self.settings)
        self._running = None

    def reset(self) -> None:
        """Make the cloud new: as after its first start, no faults, password kept."""
        from farmctl.embedded import process  # noqa: PLC0415  # light to import

        if process.status(self.settings) is None:
            process.reset(self.settings)
            self.start()
            return
        self.control("reset")

    def call(self, method: str, *args: Any, session: str | None = None) -> Any:
        """Call a method, such as `one.vm.info`, and return its value.

        Args:
            method: the method's full name.
            args: what it takes after the session string.
            session: another user's session string; by default oneadmin's.

        Raises:
            Refused: OpenNebula said no.
        """
        answer = self.raw(method, *args, session=session)
        if not answer[0]:
            raise Refused(answer[2], answer[1])
        return answer[1]

    def raw(self, method: str, *args: Any, session: str | None = None) -> list[Any]:
        """Call a method and return OpenNebula's answer as it is.

        Raises:
            Refused: the XML-RPC layer said no.
        """
        proxy = xmlrpc.client.ServerProxy(self.endpoint, transport=_Once())
        with proxy:
            function = getattr(proxy, method)
            try:
                answer: list[Any] = function(session or self.session, *args)
            except xmlrpc.client.Fault as fault:
                raise Refused(fault.faultCode, fault.faultString) from fault
        return answer

    def fault(  # what a fault can be restricted to
        self,
        action: str,
        *,
        effect: str = "fail",
        host: str = "*",
        image: str = "*",
        name: str = "*",
        count: int = -1,
        seconds: float = 0.0,
        message: str = "",
    ) -> Fault:
        """Have something go wrong until it is lifted, or `count` times.

        Args:
            action: a step (`prolog`, `boot`, `shutdown`, `epilog`, `save`, `restore`,
                `migrate`, `hotplug`, `image`), what users call it (`deploy`,
                `poweroff`, `terminate`, `resize` …) or an XML-RPC method; a glob.
            effect: `fail`; `hang`; `slow` by `seconds`; `never_ready` (the guest
                does not report); for methods `answer_lost` (carried out, but the
                connection drops) and `refuse_connections` (dropped before).
            host: which hosts, a glob over names.
            image: which images of the VM's disks, a glob.
            name: which VMs, a glob.
            count: how often it strikes; -1: every time.
            seconds: how much slower.
            message: what OpenNebula shall say of it.
        """
        given = {
            "action": action,
            "effect": effect,
            "host": host,
            "image": image,
            "name": name,
            "count": count,
            "seconds": seconds,
            "message": message,
        }
        return Fault(self, int(self.control("fault", **given)["fault"]))

    def clear_faults(self) -> None:
        """Lift every fault."""
        self.control("clear_faults")

    def kill_host(self, name: str) -> None:
        """Have a host die; OpenNebula notices within its monitoring interval."""
        self.control("kill_host", host=name)

    def revive_host(self, name: str, *, guests: str = "running") -> None:
        """Have a host come back, its guests `running` on or `poweroff`."""
        self.control("revive_host", host=name, guests=guests)

    def turn(self, seconds: float) -> None:
        """Turn the clock forward: what falls due happens before this returns."""
        self.control("turn", seconds=seconds)

    def set_scale(self, scale: float) -> None:
        """Let the clock run that many times as fast; 0 stops it."""
        self.control("scale", scale=scale)

    def set_scheduler_interval(self, seconds: float) -> None:
        """Let the scheduler wait that long between a change and its next cycle."""
        self.control("scheduler", interval=seconds)

    def now(self) -> float:
        """Return the cloud's time in seconds since the epoch."""
        return float(self.control("status")["now"])

    def calls(self) -> dict[str, int]:
        """Return how often each method was called since the start or `reset_calls`."""
        found: dict[str, int] = self.control("calls")["calls"]
        return found

    def reset_calls(self) -> None:
        """Count calls from nought again."""
        self.control("reset_calls")

    def token(self, vm_id: int) -> str:
        """Return the OneGate token that a VM's guest has."""
        return str(self.control("token", vm=vm_id)["token"])

    def node(self, who: int | str) -> int:
        """Return the init of a real node, by the VM's id or name, `outside`, `fabric`.

        Raises:
            NotPossibleError: it does not run.
        """
        from farmctl.embedded.netns import looking  # noqa: PLC0415  # light to import

        return looking.find(self.settings.directory, str(who)).pid

    def inside(
        self, who: int | str, *words: str, check: bool = True, timeout: float = 30.0
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside a real node and return what it said.

        Args:
            who: the VM's id or name, `outside` or `fabric`.
            words: the command.
            check: whether a command that fails is an error.
            timeout: in seconds.

        Raises:
            NotPossibleError: the node does not run.
            subprocess.SubprocessError: the command failed, or took too long.
        """
        from farmctl.embedded.netns import looking  # noqa: PLC0415  # light to import

        seen = looking.find(self.settings.directory, str(who))
        return subprocess.run(  # noqa: S603  # in a node, where a test may do anything
            looking.entering(seen, words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
            timeout=timeout,
        )

    def dump(self, kind: str | None = None) -> dict[str, list[dict[str, Any]]]:
        """Return what the cloud holds, by kind (`VM`, `NET`, `HOST` …)."""
        found: dict[str, list[dict[str, Any]]] = self.control("dump", kind=kind)
        return found

    def control(self, command: str, **given: Any) -> dict[str, Any]:
        """Give a command on the control channel.

        Raises:
            ValueError: the cloud does not take it; says why.
        """
        body = json.dumps({"command": command, **given}).encode()
        user = base64.b64encode(self.session.encode()).decode()
        request = urllib.request.Request(  # noqa: S310  # loopback, our own server
            self.endpoint.removesuffix("/RPC2") + "/control",
            body,
            {"Authorization": f"Basic {user}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310  # as above
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                reason = json.loads(error.read() or b"{}").get("error", str(error))
            raise ValueError(reason) from None
        return found

    def _at(self) -> "Running":
        if self._running is None:
            self.start()
        if self._running is None:
            raise RuntimeError("the embedded cloud is not running")
        return self._running
