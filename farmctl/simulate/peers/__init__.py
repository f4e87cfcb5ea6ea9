"""The rules of other projects, re-implemented so that they can be measured.

One module per family. Each class says whose rule it is and which of its quirks are
kept; none of them is used by the daemon.
"""
