"""What Python's garbage collector is spared in a process that goes on for months.

A full collection looks at everything that lives, most of which was there when the
daemon began and stays: modules, classes, the schema of the files. It falls into
whatever is just being done, a decision among others, and there takes longer than the
decision itself. And a look at a large farm makes tens of thousands of objects at once
that hold no cycles: a collection at each few hundred of them, as Python has it, costs
a fifth of a decision.
"""

import gc

THRESHOLDS = (50_000, 20, 50)
"""Objects more than before a collection, and such before one of the older ones."""


def spare_what_stays() -> None:
    """Have the collector pass over all that lives now; call it once, before serving.

    What has become garbage by now goes first: later it would stay for good.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
