"""The driver `netns`: every VM a node of its own on the machine at hand.

A node is a set of Linux namespaces over an overlay of a read-only tree, with an init,
a CONTEXT volume and a serial log. The server (`driver`, `link`) tells one process, the
**keeper** (`python -m farmctl.embedded.netns`), what the nodes shall do. The keeper
lives in a mount and a network namespace of its own, which hold every bridge, and the
nodes are its children: whatever dies, the kernel takes all that was theirs.

    server (driver, link) --socketpair--> keeper --fork--> nodes
                                            └── fabric: bridges, filters, outside host
"""
