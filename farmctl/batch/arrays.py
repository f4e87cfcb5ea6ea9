"""How many tasks of a job array wait: `1-1000%10`, `1,3,5-9`, `0-20:5`."""

import re

from farmctl.errors import BatchAnswerError

_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+)(?::([0-9]+))?)?")


def tasks(text: str) -> int:
    """Return how many tasks the expression names, without regard to its `%` limit.

    Raises:
        BatchAnswerError: it is cut off (`...`) or is no such expression.
    """
    expression = text.partition("%")[0]
    total = 0
    for part in expression.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise BatchAnswerError(
                f"{text[:80]!r} does not tell how many tasks of an array wait."
            )
        first, last, step = match.groups()
        if last is None:
            total += 1
            continue
        if int(last) < int(first) or step == "0":
            raise BatchAnswerError(f"{text[:80]!r} is no range of tasks.")
        total += (int(last) - int(first)) // int(step or 1) + 1
    return total
