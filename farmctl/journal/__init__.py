"""The journal: what was done, what was not, and why.

One file of JSON lines per farm, which only ever grows. It is there for people and for
`farmctl explain`; nothing that farmctl decides rests on it, so that losing it loses
words and no state. Knows no other room's values: events come in as names and numbers.
"""

from farmctl.journal.records import GENESIS, Record, Unreadable
from farmctl.journal.store import GOES_ON, Journal, Verdict, folder

__all__ = ["GENESIS", "GOES_ON", "Journal", "Record", "Unreadable", "Verdict", "folder"]
