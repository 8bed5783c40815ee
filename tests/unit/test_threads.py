"""A thread of its own beside the event loop."""

from __future__ import annotations

import _thread
import time

import gevent
import pytest

from opsicle.server.threads import WorkerThread


def test_thread_answers_raises_and_keeps_the_order():
    thread = WorkerThread()
    done: list[int] = []
    calls = [gevent.spawn(thread.run, done.append, number) for number in range(20)]

    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0)

    gevent.joinall(calls, raise_error=True)
    assert done == sorted(done)
    assert len(done) == 20
    assert thread.run(_thread.get_ident) == thread.run(_thread.get_ident) != _thread.get_ident()
    thread.close()


def test_loop_goes_on_while_the_thread_waits():
    thread = WorkerThread()
    lock = _thread.allocate_lock()
    lock.acquire()

    waiting = gevent.spawn(thread.run, lock.acquire)

    assert gevent.spawn(str).get(timeout=60) == ""
    assert not waiting.ready()

    lock.release()
    assert waiting.get(timeout=60) is True
    thread.close()


def test_caller_who_gave_up_disturbs_nobody():
    thread = WorkerThread()
    lock = _thread.allocate_lock()
    lock.acquire()
    gone = gevent.spawn(thread.run, lock.acquire)

    assert gevent.spawn(str).get(timeout=60) == ""  # by then it waits, too

    gone.kill()
    lock.release()

    assert thread.run(time.monotonic) > 0
    thread.close()
