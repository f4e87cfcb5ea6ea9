"""The digest by which a router names its files, as it makes it itself.

`farmctl-router status` prints the digest of what is in force; whoever has the text that
the files rode in can tell whether those are they. Each flavour sums in its own way,
which its `farmctl-router` defines.
"""

import hashlib
from typing import assert_never

from farmctl.context import bundle
from farmctl.spec.farm import Flavour

_SHORT = 16


def digest(flavour: Flavour, text: str) -> str:
    """Return what the router says of the files that `text` carries.

    Args:
        flavour: the router's.
        text: the files, as `bundle.pack` makes a text of them.

    Raises:
        NotPossibleError: the text carries no files.
    """
    match flavour:
        case "openwrt":
            return hashlib.sha256(text.encode()).hexdigest()
        case "debian":
            files = bundle.unpack(text)
            whole = "".join(files[name] for name in sorted(files))
            return hashlib.sha256(whole.encode()).hexdigest()[:_SHORT]
        case _:
            assert_never(flavour)
