#!/usr/bin/python
"""All files of a role in one visit to the node.

`template` and `copy` make three visits for each file. Over SSH and a jump host that is
most of the time that a new worker waits for its first job.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: farmctl_files
short_description: Make some files what they should be, in one visit
description:
  - Each file is replaced as a whole and at once, and only if it differs.
  - A file that is mounted (as /etc/hosts in a container) is filled in place.
  - What the files hold is neither returned nor logged.
options:
  files:
    description: The files, in order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it stands; a missing folder is made, mode 0755.
        type: path
        required: true
      content:
        description: Its text.
        type: str
      base64:
        description: Its bytes, for what is no text or is secret.
        type: str
      random:
        description: So many random bytes, made on the node. Needs I(unless).
        type: int
      unless:
        description: >-
          A file that says that this one was made: where both are there, nothing is
          done, else it is made afterwards.
        type: path
      state:
        description: Whether the file is there.
        type: str
        choices: [present, absent]
        default: present
      mode:
        description: Its mode.
        type: str
        default: "0644"
      owner:
        description: Its owner.
        type: str
        default: root
      group:
        description: Its group.
        type: str
        default: root
author: [farmctl]
"""

EXAMPLES = r"""
- name: Write the message of the day
  farmctl_files:
    files:
      - path: /etc/motd
        content: "{{ lookup('ansible.builtin.template', 'motd.j2') }}"
"""

RETURN = r"""
written:
  description: The paths of the files that differed.
  returned: always
  type: list
  elements: str
"""

import base64
import errno
import grp
import os
import pwd
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule


def wanted_bytes(each):
    """Return what a file should hold."""
    given = [key for key in ("content", "base64", "random") if each[key] is not None]
    if len(given) != 1:
        raise ValueError("%s needs one of content, base64, random" % each["path"])
    if each["random"] is not None:
        if each["unless"] is None:
            raise ValueError("%s: random needs unless" % each["path"])
        return os.urandom(each["random"])
    if each["base64"] is not None:
        return base64.b64decode(each["base64"], validate=True)
    return each["content"].encode("utf-8")


def same(path, data, mode, uid, gid):
    """Return whether the file is as it should be."""
    try:
        status = os.stat(path)
        owned = (status.st_uid, status.st_gid) == (uid, gid)
        if not owned or stat.S_IMODE(status.st_mode) != mode:
            return False
        with open(path, "rb") as stream:
            return stream.read() == data
    except OSError:
        return False


def replace(path, data, mode, uid, gid):
    """Make the file what it should be, at once where it is no mount point."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, new = tempfile.mkstemp(prefix=".farmctl-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.rename(new, path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            with open(path, "wb") as stream:
                stream.write(data)
    finally:
        if os.path.exists(new):
            os.unlink(new)


def make(each, *, check):
    """Do what one file needs; return whether it differed."""
    path = os.path.realpath(each["path"])
    if each["state"] == "absent":
        there = os.path.lexists(each["path"])
        if there and not check:
            os.unlink(each["path"])
        return there
    marker = each["unless"]
    if marker is not None and os.path.exists(marker) and os.path.exists(path):
        return False
    data = wanted_bytes(each)
    mode = int(each["mode"], 8)
    uid = pwd.getpwnam(each["owner"]).pw_uid
    gid = grp.getgrnam(each["group"]).gr_gid
    differs = not same(path, data, mode, uid, gid)
    if differs and not check:
        replace(path, data, mode, uid, gid)
    if marker is not None and not check:
        replace(marker, b"", 0o644, 0, 0)
    return differs


def main():
    """Go through the files in order."""
    spec = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "base64": {"type": "str", "no_log": True},
        "random": {"type": "int"},
        "unless": {"type": "path"},
        "state": {
            "type": "str",
            "choices": ["present", "absent"],
            "default": "present",
        },
        "mode": {"type": "str", "default": "0644"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": spec,
            },
        },
        supports_check_mode=True,
    )
    written = []
    for each in module.params["files"]:
        try:
            if make(each, check=module.check_mode):
                written.append(each["path"])
        except (OSError, ValueError, KeyError) as error:
            module.fail_json(
                msg="%s: %s" % (each["path"], error), written=written, changed=True
            )
    module.exit_json(changed=bool(written), written=written)


if __name__ == "__main__":
    main()
