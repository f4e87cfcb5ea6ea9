"""Documents: template text under a type; names need not be unique."""

from farmctl.embedded import render
from farmctl.embedded.attributes import Attributes, parse
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, pool_xml, register
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Document
from farmctl.embedded.permissions import Caller, Inquiry, Right, check_name, require
from farmctl.embedded.refusal import internal

KIND = Kind(
    entity=Document, prefix="document", draw=lambda _cloud, item: render.document(item)
)
_LONGEST = 10_000_000
register(KIND, "info update rename chmod chown lock unlock")


@method("one.document.allocate", "si")
def allocate(cloud: Cloud, caller: Caller, text: str, doc_type: int) -> Answer:
    """Make a document."""
    template = parse(text)
    _check_size(template)
    Inquiry(cloud.pools, caller).creates(Document).decide()
    return _add(cloud, caller, template.take_text("NAME"), doc_type, template)


@method("one.document.delete", "i")
def delete(cloud: Cloud, caller: Caller, document_id: int) -> Answer:
    """Delete a document."""
    item = cloud.pools.documents.get(document_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    cloud.pools.remove(item)
    return document_id


@method("one.document.clone", "is")
def clone(cloud: Cloud, caller: Caller, document_id: int, name: str) -> Answer:
    """Copy a document under another name."""
    source = cloud.pools.documents.get(document_id)
    Inquiry(cloud.pools, caller).needs(Right.USE, source).creates(Document).decide()
    return _add(cloud, caller, name, source.doc_type, source.template.copy())


@method("one.documentpool.info", "iiii")
def pool_info(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud, caller: Caller, flag: int, start: int, end: int, doc_type: int
) -> Answer:
    """Show the documents of a type."""
    items = [d for d in cloud.pools.documents if d.doc_type == doc_type]
    return pool_xml(cloud, KIND, select(cloud.pools, caller, items, flag, start, end))


def _check_size(template: Attributes) -> None:
    # OpenNebula's XML library takes no longer text.
    for _, value in template:
        texts = [value] if isinstance(value, str) else value.values()
        if any(len(text) > _LONGEST for text in texts):
            raise internal("Error transforming the Document to XML.")


def _add(  # what a document is made of
    cloud: Cloud, caller: Caller, name: str, doc_type: int, template: Attributes
) -> int:
    document_id = cloud.pools.new_id(Document)
    name = name or f"document-{document_id}"
    check_name(name)
    cloud.pools.add(
        Document(
            id=document_id,
            name=name,
            uid=caller.uid,
            gid=caller.gid,
            uname=caller.uname,
            gname=caller.gname,
            doc_type=doc_type,
            template=template,
        )
    )
    return document_id
