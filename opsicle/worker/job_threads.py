"""Threads that carry out jobs, kept for the next one.

Starting a thread costs as much as a call to the server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Task = Callable[[], None]


class _ThreadState(threading.local):
    """What each thread knows of itself."""

    is_ours = False
    next_task: Task | None = None


class JobThreads:
    """Runs each task at once, in a thread that rests or in a new one.

    There are as many as ever ran at one time.

    They are daemons: a task that hangs does not keep the process from ending.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle = 0
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._own = _ThreadState()

    def run(self, task: Task) -> None:
        """Begin a task, which raises nothing."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._tasks.put(task)
                return
        threading.Thread(target=self._work, args=(task,), name="job", daemon=True).start()

    def run_next(self, task: Task) -> None:
        """Begin a task, in this very thread if it is one of these.

        As soon as what it carries out has ended.

        For the last step of a task: it saves waking another thread to go to rest in this one.
        """
        if self._own.is_ours and self._own.next_task is None:
            self._own.next_task = task
        else:
            self.run(task)

    def _work(self, task: Task) -> None:
        own = self._own
        own.is_ours = True
        while True:
            task()
            while own.next_task:
                task, own.next_task = own.next_task, None
                task()
            with self._lock:
                self._idle += 1
            task = self._tasks.get()
