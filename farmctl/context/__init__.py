"""The context: what a node is told about itself when it boots.

`contexts` renders the CONTEXT vector of each kind of node of a farm from the files in
`templates/context`. Decides nothing and speaks to nobody: `reconcile` puts the result
into the target, OpenNebula hands it to the guest, and one-context (or the image's own
agent) acts on it there. Nothing secret is ever in it: whoever may see a VM sees its
context.
"""

from farmctl.context.rendering import contexts, render

__all__ = ["contexts", "render"]
