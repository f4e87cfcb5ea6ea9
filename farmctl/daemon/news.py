"""What of a farm's standing is news: worth a line of the journal, at once or by and by.

Numbers in reasons are none: they change with every look.
"""

import re

from farmctl.model.standing import Standing

_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


def grave(standing: Standing) -> tuple[object, ...]:
    """Return what people want to know of at once when it changes."""
    return (
        tuple((pool.pool, pool.size, pool.least, pool.most) for pool in standing.pools),
        tuple(_shape(pool.limit) for pool in standing.pools),
        tuple(tuple(pool.shunned) for pool in standing.pools),
        _shape(standing.doubt),
        bool(standing.restarting),
        tuple(sorted({_shape(f"{each}") for each in standing.barred})),
        standing.never,
    )


def slight(standing: Standing) -> tuple[object, ...]:
    """Return what is worth a line when it changes, though not at once.

    Work counts by its order of magnitude: twice as much is news.
    """
    return (
        standing.waiting.bit_length(),
        standing.running.bit_length(),
        standing.held.bit_length(),
        tuple(sorted({_shape(each) for each in standing.decided})),
        _shape(standing.less),
    )


def _shape(text: str) -> str:
    return _NUMBERS.sub("#", text)
