"""The cloud about itself: version, configuration, the one zone."""

from farmctl.embedded import render
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, pool_xml, register
from farmctl.embedded.cloud import VERSION, Cloud
from farmctl.embedded.configuration import stock
from farmctl.embedded.entities import Zone
from farmctl.embedded.permissions import Caller

ZONES = Kind(entity=Zone, prefix="zone", draw=lambda _cloud, item: render.zone(item))
register(ZONES, "info")
_ONEADMIN_GROUP = 0
_HIDDEN = {"BACKEND", "SERVER", "PORT", "USER", "PASSWD", "DB_NAME"}


@method("one.system.version")
def version(_cloud: Cloud, _caller: Caller) -> Answer:
    """Return the version whose behaviour this cloud has."""
    return VERSION


@method("one.system.config")
def config(cloud: Cloud, caller: Caller) -> Answer:
    """Return the configuration; to oneadmin's group only, which database it is."""
    shown = stock().copy()
    shown.put("PORT", str(cloud.port))
    shown.put("ONEGATE_ENDPOINT", cloud.onegate_url)
    shown.put("ONE_KEY", cloud.key("configuration"))
    if caller.gid != _ONEADMIN_GROUP:
        for vector in shown.vectors("DB"):
            vector.update(dict.fromkeys(_HIDDEN & vector.keys(), "***"))
    return shown.xml("OPENNEBULA_CONFIGURATION")


@method("one.zone.raftstatus")
def raft_status(_cloud: Cloud, _caller: Caller) -> Answer:
    """Say that this is no high-availability cluster."""
    return (
        "<RAFT><SERVER_ID>-1</SERVER_ID><STATE>0</STATE><TERM>0</TERM>"
        "<VOTEDFOR>-1</VOTEDFOR><COMMIT>0</COMMIT><LOG_INDEX>-1</LOG_INDEX>"
        "<LOG_TERM>-1</LOG_TERM><FEDLOG_INDEX>-1</FEDLOG_INDEX></RAFT>"
    )


@method("one.zonepool.info")
def zones(cloud: Cloud, caller: Caller) -> Answer:
    """Show the one zone."""
    found = select(cloud.pools, caller, cloud.pools.zones, -2, -1, -1)
    return pool_xml(cloud, ZONES, found)
