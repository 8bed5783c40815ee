"""Processes that a test starts and drops without waiting for them.

Each is a zombie, or runs on, and `subprocess.Popen` complains of it when it is collected. One that
is part of a cycle is collected at any time, in the middle of whichever test runs then. Here it is
at the end of the test that has started it, which so goes red itself.
"""

from __future__ import annotations

import gc
import subprocess
import weakref
from functools import wraps
from typing import Any

_started: list[weakref.ref[subprocess.Popen[Any]]] = []


def note_all() -> None:
    """Note each process that is started from now on. Harmless to call again."""
    start = subprocess.Popen.__init__
    if hasattr(start, "__wrapped__"):
        return

    @wraps(start)
    def start_and_note(self: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> None:
        _started.append(weakref.ref(self))
        start(self, *args, **kwargs)

    subprocess.Popen.__init__ = start_and_note  # type: ignore[method-assign]


def collect() -> None:
    """Collect what was dropped, if any that was noted has not been waited for.

    To collect takes a while, so it is left out after most tests.
    """
    is_needed = any(_is_running(started()) for started in _started)
    _started.clear()
    if is_needed:
        gc.collect()


def _is_running(process: subprocess.Popen[Any] | None) -> bool:
    return process is not None and process.returncode is None
