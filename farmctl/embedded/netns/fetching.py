"""A tree, in a process of its own: `python -m farmctl.embedded.netns.fetching`.

Building or unpacking one takes seconds to minutes, in which the keeper must go on. The
path is printed; what is in the way goes to standard error, exit status 1.
"""

import sys

from farmctl.embedded import trees
from farmctl.errors import FarmctlError


def main(path: str) -> int:
    """Print where the tree of an image's path stands, made if need be."""
    try:
        found = trees.tree(path, cache=trees.usual_cache(), say=lambda _line: None)
    except FarmctlError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
