"""Message types are made ready before threads decode into them."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from opsicle.kit import structs
from tests.product import CHECKOUT
from tests.support import SCALE

RUNS = max(4, round(8 * SCALE))

MANY_AT_ONCE = """
import sys, threading, msgspec
from opsicle.domain.templates import Phase
from opsicle.kit import structs
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import FinishReply, PollReply

sys.setswitchinterval(1e-6)
phase = Phase(name="p", commands=("true",), timeout=5)
work = Work(automation_id="a", job_id="j", fence=1, template="t", requester="r", phases=(phase,))
contents = {
    PollReply: msgspec.msgpack.encode(PollReply(work=(work,))),
    FinishReply: msgspec.msgpack.encode(FinishReply("succeeded", (work,))),
}
structs.make_ready()
together = threading.Barrier(8)

def decode(kind):
    together.wait()
    msgspec.msgpack.decode(contents[kind], type=kind)

threads = [threading.Thread(target=decode, args=(kind,)) for kind in (PollReply, FinishReply) * 4]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_decode_for_the_first_time_at_once_do_no_harm() -> None:
    """Without `make_ready` about every second process dies of a segmentation fault."""
    command = [sys.executable, "-c", MANY_AT_ONCE]

    ends = [subprocess.run(command, cwd=CHECKOUT, check=False).returncode for _ in range(RUNS)]

    assert ends == [0] * RUNS


def test_types_that_stand_for_others_are_passed_over() -> None:
    class Loaded(msgspec.Struct):
        number: int

    before = structs.make_ready()

    assert structs.make_ready() == before > 0
    assert msgspec.json.decode(b'{"number": 1}', type=Loaded).number == 1
