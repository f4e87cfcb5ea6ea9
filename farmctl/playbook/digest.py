"""The digest of all that configuring a farm rests on.

A node that was configured carries it. Another playbook, role or variable gives another
digest, and so configures anew; more or fewer nodes do not.
"""

import hashlib

from farmctl.playbook import files, hosts
from farmctl.spec import Farm, Site

_LENGTH = 32


def configuration(farm: Farm, site: Site) -> str:
    """Return the digest, empty if nothing configures this farm.

    Raises:
        InputError: its playbook is not there, or cannot be read.
    """
    playbook = files.located(farm, site)
    if playbook is None:
        return ""
    digest = hashlib.sha256()
    for name, path in sorted(files.content(playbook)):
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        inner = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name}\0{mode}{inner}\n".encode())
    digest.update(hosts.canonical(hosts.facts(farm, site)).encode())
    return digest.hexdigest()[:_LENGTH]
