"""Templates of virtual networks, which lend the right to make such a network."""

from farmctl.embedded import render
from farmctl.embedded.attributes import Attributes, ids_of, parse, restricted
from farmctl.embedded.calls.networks import make
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import NETWORK
from farmctl.embedded.calls.shared import (
    Kind,
    free_name,
    refuse_restricted,
    register,
    register_pool,
)
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import NetworkTemplate
from farmctl.embedded.permissions import Caller, Inquiry, Right, require

KIND = Kind(
    entity=NetworkTemplate,
    prefix="vntemplate",
    draw=lambda _cloud, item: render.network_template(item),
    taken="VN TEMPLATE",
    restricted=NETWORK,
)
register(KIND, "info update rename chmod chown lock unlock")
register_pool(KIND, "vntemplatepool", filtered=True)


@method("one.vntemplate.allocate", "s")
def allocate_template(cloud: Cloud, caller: Caller, text: str) -> Answer:
    """Make a network template."""
    template = parse(text)
    Inquiry(cloud.pools, caller).creates(NetworkTemplate).decide()
    name = template.take_text("NAME")
    refuse_restricted(caller, "VNET Template includes", restricted(template, NETWORK))
    return _add_template(cloud, caller, name, template)


@method("one.vntemplate.clone", "is|b")
def clone_template(  # OpenNebula's own
    cloud: Cloud, caller: Caller, source_id: int, name: str, _recursive: bool = False
) -> Answer:
    """Copy a network template."""
    source = cloud.pools.network_templates.get(source_id)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.USE, source)
    inquiry.creates(NetworkTemplate).decide()
    return _add_template(cloud, caller, name, source.template.copy())


@method("one.vntemplate.delete", "i|b")
def delete_template(
    cloud: Cloud, caller: Caller, template_id: int, _recursive: bool = False
) -> Answer:
    """Delete a network template."""
    item = cloud.pools.network_templates.get(template_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    cloud.pools.remove(item)
    return template_id


@method("one.vntemplate.instantiate", "is|s")
def instantiate(  # OpenNebula's own
    cloud: Cloud, caller: Caller, template_id: int, name: str, extra: str = ""
) -> Answer:
    """Make a network from a template, which lends the right to do so."""
    source = cloud.pools.network_templates.get(template_id)
    template = source.template.copy()
    added = parse(extra)
    refuse_restricted(caller, "VNTemplate includes", restricted(added, NETWORK))
    require(cloud.pools, caller, Right.USE, source)
    template.merge(added)
    template.erase("NAME")
    template.put("TEMPLATE_NAME", source.name)
    if name:
        template.put("NAME", name)
    clusters = ids_of(template.take_text("CLUSTER_IDS")) or [0]
    made = make(cloud, caller, template, clusters=clusters, template_id=template_id)
    return made.id


def _add_template(cloud: Cloud, caller: Caller, name: str, template: Attributes) -> int:
    free_name(cloud, KIND, name, caller.uid)
    template_id = cloud.pools.new_id(NetworkTemplate)
    cloud.pools.add(
        NetworkTemplate(
            id=template_id,
            name=name,
            uid=caller.uid,
            gid=caller.gid,
            uname=caller.uname,
            gname=caller.gname,
            template=template,
            regtime=cloud.now(),
        )
    )
    return template_id
