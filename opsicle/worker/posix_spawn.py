"""Starting a program by the C library's own `posix_spawn`.

`subprocess` and `os.posix_spawn` hold Python's lock until the new program runs, so that all other
jobs of the worker stand still meanwhile: for milliseconds on a busy machine. A call through ctypes
lets them go on, and costs half of what `subprocess` does. `os.posix_spawn` could also neither begin
in another folder nor close what was inherited.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from functools import cache

_OPAQUE_BYTES = 1024
"""More than any `posix_spawnattr_t` (336 in glibc) or `posix_spawn_file_actions_t` (80) takes."""

_SETSIGDEF, _SETSID = 0x04, 0x80
_NEEDED = (
    "posix_spawn",
    "posix_spawn_file_actions_addchdir_np",
    "posix_spawn_file_actions_addclosefrom_np",
)
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


@cache
def is_possible() -> bool:
    """Return whether this C library can do all that is needed (glibc from 2.34 on)."""
    return all(hasattr(_library(), name) for name in _NEEDED)


def spawn(
    argv: Sequence[bytes],
    environment: Mapping[bytes, bytes],
    folder: bytes,
    stdin: int | None,
    stdout: int,
    stderr: int,
) -> int:
    """Start `argv[0]`, a path, in a new session and `folder`, and return its process id.

    It inherits `stdin` (None: nothing to read), `stdout` and `stderr`, which are greater than 2,
    and no other file. Raises OSError when it cannot be started, and ValueError for what no argument
    or variable can hold.
    """
    libc = _library()
    if b"=" in b"".join(environment):
        raise ValueError("illegal environment variable name")
    variables = [b"%b=%b" % item for item in environment.items()]
    if b"\0" in b"".join((*argv, *variables, folder)):
        raise ValueError("embedded null byte")

    actions = ctypes.create_string_buffer(_OPAQUE_BYTES)
    pid = ctypes.c_int()
    _check(libc.posix_spawn_file_actions_init(actions))

    try:
        _check(libc.posix_spawn_file_actions_addchdir_np(actions, folder))
        _add_streams(actions, stdin, stdout, stderr)
        _check(
            _library(lets_go=True).posix_spawn(
                ctypes.byref(pid),
                argv[0],
                actions,
                _attributes(),
                _null_ended(argv),
                _null_ended(variables),
            )
        )
    finally:
        libc.posix_spawn_file_actions_destroy(actions)

    return pid.value


def _add_streams(
    actions: ctypes.Array[ctypes.c_char], stdin: int | None, stdout: int, stderr: int
) -> None:
    """Let the program have these as its 0, 1 and 2, and nothing else."""
    libc = _library()
    if stdin is None:
        _check(libc.posix_spawn_file_actions_addopen(actions, 0, b"/dev/null", os.O_RDONLY, 0))
    else:
        _check(libc.posix_spawn_file_actions_adddup2(actions, stdin, 0))
    _check(libc.posix_spawn_file_actions_adddup2(actions, stdout, 1))
    _check(libc.posix_spawn_file_actions_adddup2(actions, stderr, 2))
    _check(libc.posix_spawn_file_actions_addclosefrom_np(actions, 3))


def _null_ended(texts: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*texts)


def _check(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))


@cache
def _library(*, lets_go: bool = False) -> ctypes.CDLL:
    """Return the C library.

    `lets_go` of Python's lock while a call lasts, which costs more than a short call itself.
    """
    return ctypes.CDLL(None) if lets_go else ctypes.PyDLL(None)


@cache
def _attributes() -> ctypes.Array[ctypes.c_char]:
    """Return a session of its own, and the signals that Python ignores as they were before.

    They are made once.
    """
    libc = _library()
    attributes, signals = (ctypes.create_string_buffer(_OPAQUE_BYTES) for _ in range(2))
    libc.sigemptyset(signals)
    for number in _IGNORED_BY_PYTHON:
        libc.sigaddset(signals, number)
    _check(libc.posix_spawnattr_init(attributes))
    _check(libc.posix_spawnattr_setsigdefault(attributes, signals))
    _check(libc.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETSIGDEF | _SETSID)))
    return attributes
