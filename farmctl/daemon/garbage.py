"""What Python's garbage collector is spared in a process that goes on for months.

A full collection looks at everything that lives, most of which was there when the
daemon began and stays: modules, classes, the schema of the files. It falls into
whatever is just being done, a decision among others, and there takes longer than the
decision itself.
"""

import gc


def spare_what_stays() -> None:
    """Have the collector pass over all that lives now; call it once, before serving.

    What has become garbage by now goes first: later it would stay for good.
    """
    gc.collect()
    gc.freeze()
