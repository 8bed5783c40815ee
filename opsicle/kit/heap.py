"""What the C library does with memory that has been freed."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""See mallopt(3)."""

_LARGE_BYTES = 2 * 1024 * 1024
"""More than a piece of a log, which comes often; less than what hashing a password takes."""


def give_back_large_blocks() -> None:
    """Let every large block go straight back to the system once it is freed.

    By itself glibc takes each such block as a sign that more of its size will follow, and keeps
    those; a server then stays as large as hashing passwords has made it. A C library without this
    call keeps none.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE_BYTES)
