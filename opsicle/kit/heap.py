"""What a process keeps of memory that it has used."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""See mallopt(3)."""

_MADV_DONTNEED = 4
"""See madvise(2)."""

_CODE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-xp [0-9a-f]+ \S+ [1-9][0-9]* +/")
"""A private mapping of a file that may be executed and not written; see proc(5)."""

_CHANGED = ("Anonymous", "Private_Dirty", "Swap")

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


def give_back_unused() -> None:
    """Give the system back what was freed, and the code of libraries until it is used again.

    Whatever loads a library, or calls it once, leaves in memory most of what its file has: of the
    largest, nine megabytes, a server uses a tenth from day to day. What is needed again comes back
    by itself from the system's cache of files, 64 KiB in some three microseconds.

    Holds the process for a few milliseconds.
    """
    library = ctypes.CDLL(None)
    for start, end in _code_as_in_files():
        library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)
    trim = getattr(library, "malloc_trim", None)
    if trim is not None:
        trim(0)


def _code_as_in_files() -> list[tuple[int, int]]:
    """Return where code of files lies that nothing has changed in memory, as a debugger would."""
    found: list[tuple[int, int]] = []
    code = None
    try:
        # Line by line: all of it would take a megabyte, of which some would stay taken.
        with Path("/proc/self/smaps").open(errors="replace") as lines:
            for line in lines:
                name, is_fact, value = line.partition(":")
                if not is_fact or " " in name:
                    code = _CODE.match(line)
                    if code:
                        found.append((int(code[1], 16), int(code[2], 16)))
                elif code and name in _CHANGED and value.strip() != "0 kB":
                    found.pop()
                    code = None
    except OSError:
        return []
    return found
