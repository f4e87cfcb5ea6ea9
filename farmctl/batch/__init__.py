"""The batch port and its adapters: what work waits, runs, and where.

`BatchSystem` is the port. Its adapters live in `slurm`, `gridengine` and `htcondor`,
and run their programs through `commands`. Which farm has which is left to the assembly;
what to do about a sample is left to `elastic`.
"""

from farmctl.batch.port import BatchSystem, Outcome

__all__ = ["BatchSystem", "Outcome"]
