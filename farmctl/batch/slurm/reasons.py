"""Why Slurm lets a job wait, and whether one more node could change that.

The words are Slurm's own (`job_state_reason`). A reason that is not among these is one
that no node helps: a node too few is asked for again, one too many is paid for.
"""

HELPED = frozenset({
    "",
    "None",  # not looked at yet
    "Resources",  # would be next, and nothing fits
    "Priority",  # others come first, who wait for nodes themselves
    "ReqNodeNotAvail",  # the nodes that fit are down, drained or reserved
    "NodeDown",
    "PartitionConfig",  # no node of the partition fits: none, too small or gone
    "PartitionNodeLimit",  # more nodes than there are now; a set limit is read apart
})  # fmt: skip
"""Reasons that a node more could lift."""

ARRAY = "JobArrayTaskLimit"
HELD = "JobHeldAdmin"
DEPENDENCY = "Dependency"
RESERVATION = "Reservation"
PARTITION_DOWN = "PartitionDown"
PARTITION_TIME = "PartitionTimeLimit"
PARTITION_NODES = "PartitionMaxNodes"
"""Ours: it asks for more nodes than the partition's MaxNodes."""
BY_NAME = "ReqNodeList"
"""Ours: it asks for nodes by their names."""
