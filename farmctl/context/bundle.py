"""Files as one text: a tar in base64, the way a router's files reach the router.

A variable of the context can be no file (OpenNebula lets only oneadmin add those), so
the files ride in one variable; over SSH they ride as the same text. Nothing is packed:
the same files give the same bytes everywhere, whatever zlib a machine has.
"""

import base64
import io
import re
import tarfile
from collections.abc import Mapping

from farmctl.errors import NotPossibleError
from farmctl.model.router import FILES_VARIABLE

VARIABLE = FILES_VARIABLE
"""The context's variable that holds the router's files."""

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")


def pack(files: Mapping[str, str]) -> str:
    """Return the files, flat and in the order of their names, as one line of text.

    Raises:
        NotPossibleError: a name is no plain file name.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            if not _NAME.fullmatch(name):
                raise NotPossibleError(f"{name!a} is no plain file name.")
            content = files[name].encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def unpack(text: str) -> dict[str, str]:
    """Return the files that `pack` made a text of; for showing what a router has.

    Raises:
        NotPossibleError: the text is none of `pack`'s.
    """
    try:
        raw = io.BytesIO(base64.b64decode(text, validate=True))
        with tarfile.open(fileobj=raw, mode="r:") as tar:
            found = {}
            for entry in tar:
                content = tar.extractfile(entry)
                if content is None:
                    raise NotPossibleError(f"{entry.name!a} is no file.")
                found[entry.name] = content.read().decode()
    except (ValueError, tarfile.TarError) as error:
        raise NotPossibleError(
            f"The router's files cannot be read: {error}.",
            hint="Apply the farm again.",
        ) from error
    return found
