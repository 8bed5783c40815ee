"""What a process gives back of its memory."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import CHECKOUT

GIVES_BACK = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from pathlib import Path
from opsicle.kit import heap
from opsicle.security.order_key import OrderKey

def resident():
    facts = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return [int(facts[name].split()[0]) for name in ("RssFile", "RssAnon")]

signs = OrderKey.create()
signs.sign(b"order")
freed = [bytes(1000) for _ in range(20_000)]
kept = bytes(1000)
del freed
before = resident()
heap.give_back_unused()
after = resident()
assert signs.sign(b"order")
print(*before, *after, *resident())
"""


def test_code_and_freed_memory_go_back_and_what_is_used_again_works() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", GIVES_BACK], capture_output=True, text=True, check=True
    ).stdout

    files, own, files_after, own_after, files_again, _ = map(int, printed.split())
    assert files_after < files - 4 * 1024, printed
    assert files_after < files_again < files, printed
    assert own_after < own - 10 * 1024, printed
