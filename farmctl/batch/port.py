"""The port: what the program asks of any batch system."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from farmctl.model.sample import Sample

Outcome = Mapping[str, str]
"""By node: the empty string when it is as asked for, else why it is not."""

OURS = "farmctl: "
"""What the reason of a drain of ours begins with. A drain without it is a person's."""


class BatchSystem(Protocol):
    """One farm's batch system; safe to call from several threads.

    Everything may be repeated: what is as asked for already is success. A reading that
    fails, is cut off or cannot be understood is an error and never an empty sample.

    Every method raises:
        BatchAwayError: the head or the batch system's server does not answer.
        BatchAnswerError: the answer cannot be read, is cut off or contradicts itself.
        WrongBatchError: it is another batch system or a version nobody has read.
        NotAuthenticatedError: the head answers and does not let us in.
    """

    def check(self) -> str:
        """Return what it is, such as `Slurm 22.05.8, cluster farm`."""
        ...

    def sample(self) -> Sample:
        """Return one look at the queue and the nodes, each node with `pool` empty."""
        ...

    def drain(self, nodes: Sequence[str], reason: str) -> Outcome:
        """Give the nodes no new work, for a reason that is marked as ours.

        A node that somebody else drained is left as it is.
        """
        ...

    def undrain(self, nodes: Sequence[str]) -> Outcome:
        """Take drains of ours back; those of others are left as they are."""
        ...

    def forget(self, nodes: Sequence[str], *, ended: bool = False) -> Outcome:
        """Strike nodes that are gone off the batch system's list.

        A node that works, or could, is not forgotten, unless it is `ended`: the caller
        has seen that its VM is no more. What the batch system still believes to run
        there then ends, and is queued again where the job allows it.
        """
        ...
