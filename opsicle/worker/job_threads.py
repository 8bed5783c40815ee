"""Threads that carry out jobs, kept for the next one: starting a thread costs as much as a call to the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Task = Callable[[], None]


class JobThreads:
    """Runs each task at once, in a thread that rests or in a new one. There are as many as ever ran at one time.

    They are daemons: a task that hangs does not keep the process from ending.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting = 0
        self._tasks: SimpleQueue[Task] = SimpleQueue()

    def run(self, task: Task) -> None:
        """Begin a task, which raises nothing."""
        with self._lock:
            if self._resting:
                self._resting -= 1
                self._tasks.put(task)
                return
        threading.Thread(target=self._work, args=(task,), name="job", daemon=True).start()

    def _work(self, task: Task) -> None:
        while True:
            task()
            with self._lock:
                self._resting += 1
            task = self._tasks.get()
