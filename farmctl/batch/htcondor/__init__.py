"""HTCondor, through its own bindings (`pip install farmctl[htcondor]`)."""

from farmctl.batch.htcondor.pool import Bindings, Pool
from farmctl.batch.htcondor.system import HTCondor

__all__ = ["Bindings", "HTCondor", "Pool"]
