"""Slurm 22.05 and later, by its own programs and their JSON."""

from farmctl.batch.slurm.nodes import left_over
from farmctl.batch.slurm.system import Slurm

__all__ = ["Slurm", "left_over"]
