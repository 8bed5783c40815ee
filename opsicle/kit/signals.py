"""Signals that whoever started this process lets it ignore, as shells do in the background."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

_Handler = Callable[[int, FrameType | None], None] | signal.Handlers


def restore_defaults() -> None:
    """Heed Ctrl-C, and pass no ignored or blocked signal on to child processes.

    What else was ignored stays without effect on this process (`nohup` means that), but by a
    handler that does nothing: unlike "ignored", that does not outlive an exec, so that a job's
    `trap` and `kill` work as in a terminal. Only the main thread can do this; called in another one
    it does nothing. Harmless to call again.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in signal.valid_signals() - _PYTHONS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _OTHERWISE.get(number, _do_nothing))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


def is_ignored(number: signal.Signals) -> bool:
    """Return whether this process was started with this signal ignored.

    That holds after `restore_defaults`, too.
    """
    return signal.getsignal(number) in {signal.SIG_IGN, _do_nothing}


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass


_PYTHONS_OWN = {signal.SIGPIPE, signal.SIGXFSZ}
"""Python ignores these, and restores them itself in what it starts."""

_OTHERWISE: dict[int, _Handler] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGCHLD: signal.SIG_DFL,
}
"""SIGCHLD: while it is ignored, nobody learns how a child has ended."""
