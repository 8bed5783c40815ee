"""Processes of tests, each of which begins as a copy of one that has loaded the modules.

Every process of pytest-xdist needs all modules with tests. To load them is most of its start, on a
fresh checkout several seconds, in which assertions are rewritten and hypothesis reads the sources.
Here one process does that for all of them. `start` begins it; it forks for each that asks.

execnet starts this file in place of Python, as `spec` says: that passes its streams on to a fork,
and ends as it does. So this loads little beforehand.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from select import select
from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds, send_fds, socket
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import pytest

FILE = __file__
OF_EACH_PROCESS = "tests.worker"
"""A package that each fork loads anew, for it names jobs after the process.

A worker ends whatever carries the name of its job.
"""

ISOLATED = ("-I", "-S")
"""What makes Python itself start sooner, where nothing is needed that is installed."""


@contextmanager
def loaded(config: pytest.Config) -> Iterator[str]:
    """Start loading what `config` would collect; return the spec of an execnet gateway to a fork.

    At the end the forks are killed that have not ended yet.
    """
    import shlex
    import subprocess
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="opsicle-forks-") as folder:
        address = str(Path(folder, "socket"))
        with socket(AF_UNIX, SOCK_SEQPACKET) as listener:
            listener.bind(address)
            listener.listen(1000)
            arguments = ["--rootdir", str(config.rootpath), *config.args]
            if config.inipath is not None:
                arguments[:0] = ["-c", str(config.inipath)]
            loader = subprocess.Popen(
                [sys.executable, "-P", FILE, "load", str(listener.fileno()), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )

        python = shlex.join([sys.executable, *ISOLATED, FILE, "join", address])
        try:
            yield f"popen//python={python}"
        finally:
            loader.communicate()


def _join(address: str) -> int:
    """Have a process forked that has our streams, and return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for those who run tests
    with socket(AF_UNIX, SOCK_SEQPACKET) as loader, suppress(OSError):
        loader.connect(address)
        send_fds(loader, [b"."], [0, 1, 2])
        for descriptor in (0, 1):
            os.close(descriptor)
        return int(loader.recv(16) or 1)
    return 1  # what was to load the modules has said why it has ended


def _load(arguments: list[str]) -> None:
    """Import all modules that pytest would collect with these arguments, as it would."""
    import pytest

    class ModulesAlone:
        """Leaves out the tests, save for those for which hypothesis reads the sources."""

        def pytest_pycollect_makeitem(self, obj: object) -> list[pytest.Item] | None:
            hypothesis = sys.modules.get("hypothesis")
            return None if hypothesis and hypothesis.is_hypothesis_test(obj) else []

    options = ["--collect-only", "--numprocesses=0", "-p", "no:cacheprovider"]
    pytest.main([*options, *arguments], plugins=[ModulesAlone()])


def _serve(listener: socket) -> list[int]:
    """Fork for each that asks, until our standard input ends; in each fork, return its streams."""
    running: dict[int, tuple[int, socket]] = {}
    while True:
        ready, _, _ = select([0, listener, *running], [], [])
        for pidfd in running.keys() & ready:
            os.close(pidfd)
            _tell_the_end(*running.pop(pidfd))
        if 0 in ready:
            _end(pid for pid, _ in running.values())
        if listener not in ready:
            continue

        asking, _ = listener.accept()
        _, streams, _, _ = recv_fds(asking, 1, 3)
        pid = os.fork()
        if pid == 0:
            for each in (listener, asking, *(other for _, other in running.values())):
                each.close()
            return streams
        for stream in streams:
            os.close(stream)
        running[os.pidfd_open(pid)] = pid, asking


def _tell_the_end(pid: int, asking: socket) -> None:
    """Tell who has asked for a fork how that has ended, unless it has ended itself."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with asking, suppress(OSError):
        asking.send(b"%d" % (code if code >= 0 else 128 - code))


def _end(running: Iterable[int]) -> NoReturn:
    """End, and let no fork outlive the tests."""
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    sys.exit()


def _forget_names() -> None:
    """Have modules loaded anew whose names are of the process that has loaded them."""
    for name in [each for each in sys.modules if each.startswith(OF_EACH_PROCESS)]:
        del sys.modules[name]


def _take(streams: list[int]) -> None:
    """Use these as our standard streams."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115


def _leave() -> None:
    """End as Python does, but leave the memory, which is shared with other forks, to the kernel."""
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def main() -> None:
    """Do one of the two, as the arguments say."""
    role, where, *arguments = sys.argv[1:]
    if role == "join":
        sys.exit(_join(where))

    import gc
    import threading

    _load(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # forks get it, and end themselves
    assert threading.active_count() == 1, "a fork would lack the other threads"
    gc.disable()
    gc.freeze()
    _take(_serve(socket(fileno=int(where))))
    _forget_names()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})  # as execnet has Python do it
    _leave()


if __name__ == "__main__":
    main()
