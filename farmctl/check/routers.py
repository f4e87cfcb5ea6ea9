"""Judging what the router says of itself. Pure."""

import json
from collections.abc import Iterator, Mapping

from farmctl.check.expected import Expected
from farmctl.check.values import Finding, Probe, fault, good, unseen
from farmctl.context import digests
from farmctl.errors import NotPossibleError
from farmctl.model.nodes import Role

_AGAIN = "Reboot it: at each boot it puts its files in force."
_BY_HAND = (
    "Somebody changed it by hand. The next change of the farm puts ours back; or end "
    "its VM, and apply makes it anew."
)
_SAME = "same"


def judge(expected: Expected, said: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether the router has its files, and whether they are in force.

    Args:
        expected: the farm.
        said: what `templates/check/router.sh` printed.
    """
    yield _files(expected, said)
    yield _services(expected, said)
    if expected.farm.router.flavour == "openwrt":
        yield from _openwrt(said)


def _files(expected: Expected, said: Mapping[str, str]) -> Finding:
    vm = next(
        (v for v in expected.view.vms if v.tag and v.tag.role is Role.ROUTER), None
    )
    text = "" if vm is None else vm.router_files
    if not text:
        return fault(
            Probe.ROUTER,
            "files",
            "the router's context carries no files",
            hint="Apply the farm: it was made by an older farmctl, or by hand.",
        )
    state, _, digest = said.get("status", "").partition(" ")
    try:
        wanted = digests.digest(expected.farm.router.flavour, text)
    except NotPossibleError as error:
        return fault(Probe.ROUTER, "files", error.message)
    if state == "waiting":
        return fault(
            Probe.ROUTER,
            "files",
            "a change waits to be confirmed, and is taken back if nobody does",
        )
    if state != "confirmed":
        told = said.get("status", "") or "nothing"
        return unseen(Probe.ROUTER, "files", f"farmctl-router says: {told}")
    if digest != wanted:
        return fault(
            Probe.ROUTER,
            "files",
            f"it has files {digest[:12] or 'of its own'}, and its context carries "
            f"{wanted[:12]}",
            hint=_BY_HAND,
        )
    return good(Probe.ROUTER, "files", f"has the files of its context ({digest[:12]})")


def _services(expected: Expected, said: Mapping[str, str]) -> Finding:
    values, wrong = expected.values, []
    if not said.get("dnsmasq"):
        wrong.append("dnsmasq does not run")
    if said.get("forwarding") != "1":
        wrong.append("it forwards no packets (net.ipv4.ip_forward)")
    loaded = said.get("loaded", "")
    if not _number(said.get("table", "")):
        wrong.append("its firewall is not loaded")
    elif loaded not in {"", _SAME}:
        told = " ".join(loaded.split()).rstrip("; ")
        wrong.append(f"its firewall is not that of its files ({told})")
    if said.get("lan") != values.lan.address:
        wrong.append(f"its address in the farm is {said.get('lan') or 'unset'}")
    hosts = _number(said.get("hosts", ""))
    if hosts != len(values.leases):
        wrong.append(f"it knows {hosts} nodes, not {len(values.leases)}")
    forwards = sum(len(each.protocols) for each in values.forwards)
    if expected.farm.router.flavour == "openwrt":
        # One redirect for each source, as fw4 takes one network in each.
        forwards = sum(max(1, len(each.sources)) for each in values.forwards)
    redirects = _number(said.get("redirects", ""))
    if redirects != forwards:
        wrong.append(f"it has {redirects} forwards in force, not {forwards}")
    if wrong:
        return fault(Probe.ROUTER, "services", "; ".join(wrong), hint=_AGAIN)
    return good(
        Probe.ROUTER,
        "services",
        f"dnsmasq and firewall are up, with {hosts} leases and {redirects} forwards",
    )


def _openwrt(said: Mapping[str, str]) -> Iterator[Finding]:
    check = said.get("check", "")
    if "[!]" in check:
        yield fault(Probe.ROUTER, "fw4", f"fw4 warns: {check}", hint=_AGAIN)
    else:
        yield good(Probe.ROUTER, "fw4", "fw4 check has no complaint")
    try:
        wan = json.loads(said.get("wan") or "{}")
    except ValueError:
        wan = {}
    if not isinstance(wan, dict):
        yield unseen(Probe.ROUTER, "wan", "what ubus says of it makes no sense")
    elif wan.get("up"):
        yield good(Probe.ROUTER, "wan", "the public interface is up")
    elif wan:
        yield fault(Probe.ROUTER, "wan", "the public interface is down")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
