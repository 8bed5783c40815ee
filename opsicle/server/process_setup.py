"""What the server's process asks of Python and the system, and how it ends at once."""

from __future__ import annotations

import gc
import logging
import os
import resource
import sys
from contextlib import suppress
from typing import Any

import gevent

from opsicle.domain.errors import Conflict
from opsicle.kit import core_dumps, heap, structs

log = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another wants it. At Python's 5 ms a commit that
is done waits for longer than it took until the event loop lets its thread say so."""

_COLLECT_AFTER = (700, 10, 100)
"""As Python's own, but that all there is is looked at ten times less often: with 2,000 workers that
held up the loop for 90 ms about once a minute, and found nothing."""

_WANTED_DESCRIPTORS = 16384


def prepare() -> None:
    """Set up the process, before it opens anything."""
    os.umask(0o077)
    core_dumps.leave_none()
    heap.give_back_large_blocks()
    structs.make_ready()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gevent.config.track_greenlet_tree = False  # from where each was begun: nobody asks
    _allow_many_connections()
    _log_uncaught()


def collect_garbage_seldom() -> None:
    """Spare the collector what has lived until now, which lives until the end."""
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()


def abort_on_failed_write(error: BaseException) -> None:
    """End at once: after a failed write nobody knows what the file holds, until it is opened anew.

    It neither logs nor cleans up: either could wait for something, and meanwhile a commit could be
    answered.
    """
    os.write(
        2, f"opsicle server: the disk failed ({type(error).__name__}: {error}); exiting\n".encode()
    )
    os._exit(1)


def abort_on_damage(error: Conflict) -> None:
    """End at once, as a start does that finds the same.

    Whatever is written to a damaged file makes it worse.
    """
    os.write(2, f"opsicle server: {error.message}; exiting. {error.hint}\n".encode())
    os._exit(1)


def _allow_many_connections() -> None:
    """Raise the soft limit of open files, which is 1,024 on most systems, towards the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (
        _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _WANTED_DESCRIPTORS)
    )
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _log_uncaught() -> None:
    """Send what greenlets die of to our log, instead of tracebacks to standard error."""

    def print_exception(_context: Any, kind: Any, value: Any, traceback: Any) -> None:
        log.error("a greenlet failed", exc_info=(kind, value, traceback))

    hub: Any = gevent.get_hub()
    hub.print_exception = print_exception
