"""The acceptance probe: whether a farm is what it was declared to be, by trying.

`expect` draws what should be, `probe` tries it from here and from inside the nodes, and
gives a `Report` of findings. Nothing is changed by it: what is put right is `apply`'s.
"""

from farmctl.check.expected import Expected, expect
from farmctl.check.knocking import is_masked, own_address
from farmctl.check.probing import Choice, Means, probe
from farmctl.check.values import ABOUT, Finding, Probe, Report, Verdict, summary

__all__ = [
    "ABOUT",
    "Choice",
    "Expected",
    "Finding",
    "Means",
    "Probe",
    "Report",
    "Verdict",
    "expect",
    "is_masked",
    "own_address",
    "probe",
    "summary",
]
