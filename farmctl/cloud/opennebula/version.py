"""Which versions of OpenNebula the adapter knows.

All calls that it makes have the same arguments and answers from 6.10 to 7.4: held
against the reference of both and tried on 7.4. Arguments that only one of them has
(`vn.delete` by force, `vm.snapshotcreate` with disks) are left out. A newer major
version is refused until somebody has held the conformance suite against it.
"""

import re

from farmctl.errors import BadAnswerError

OLDEST = (6, 10)
NEWEST_MAJOR = 7

_VERSION = re.compile(r"(?P<major>\d+)\.(?P<minor>\d+)(?:\.\d+)*")


def check_version(version: str) -> str:
    """Return the version if it is one that farmctl can work with.

    Raises:
        BadAnswerError: it is older than 6.10, newer than 7.x, or no version at all.
    """
    found = _VERSION.match(version.strip())
    if found is None:
        raise BadAnswerError(
            f"This OpenNebula calls its version {version[:40]!r}, which is none.",
            hint="Is this the address of an OpenNebula's XML-RPC?",
        )
    if (int(found["major"]), int(found["minor"])) < OLDEST:
        raise BadAnswerError(
            f"This is OpenNebula {found.group()}; farmctl needs 6.10 or later.",
            hint="Bring OpenNebula up to date.",
        )
    if int(found["major"]) > NEWEST_MAJOR:
        raise BadAnswerError(
            f"This is OpenNebula {found.group()}; this farmctl knows 6.10 to 7.x.",
            hint="Use a farmctl that knows it.",
        )
    return version.strip()
