"""GridEngine 8.1 (Son of Grid Engine), by its own programs and their XML."""

from farmctl.batch.gridengine.system import GridEngine

__all__ = ["GridEngine"]
