"""Run a program under a kernel that refuses some calls, as emulators and sandboxes do.

`refused_calls.py WHAT… -- COMMAND`.

WHAT is `subreaper` (prctl refuses PR_SET_CHILD_SUBREAPER) or `pidfd` (there is no pidfd_open). By a
seccomp filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_PRCTL = {"x86_64": 157, "aarch64": 167}[platform.machine()]
_PIDFD_OPEN = 434  # the same everywhere
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 36, 38, 22
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000

_RULES = {
    "subreaper": [
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_EQUAL, 0, 3, _PRCTL),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_IF_EQUAL, 0, 1, _PR_SET_CHILD_SUBREAPER),
        (_RETURN, 0, 0, _ERRNO | errno.EINVAL),
    ],
    "pidfd": [
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_EQUAL, 0, 1, _PIDFD_OPEN),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ],
}


def refuse(what: list[str]) -> None:
    """Refuse these calls to this process and all that come of it."""
    rules = [rule for name in what for rule in _RULES[name]] + [(_RETURN, 0, 0, _ALLOW)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(rules), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, 2, head, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter can be set")


if __name__ == "__main__":
    end = sys.argv.index("--")
    refuse(sys.argv[1:end])
    os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])
