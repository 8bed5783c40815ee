"""Runs commands of the command line, each in a process that begins as a copy of this one.

`python -m tests.forking_cli ROLE DESCRIPTOR` takes them from a socket: a file with arguments,
environment and folder, where both streams go, and a socket for process id and exit code. From
reading the arguments on, all is the command's own as ever, until it has ended: what it holds in
memory is not taken apart. This loads nothing beforehand that a command of its role would not load,
so that none can lean on it; a test sees to that.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module

# By name: a server's process has gevent put something else in their places, and must not have begun
# to use that before it is a process of its own.
from os import fork, pidfd_open, waitpid
from pathlib import Path
from select import POLLIN, poll
from socket import recv_fds, socket
from typing import NoReturn

from opsicle.cli import main

SIGKILL = 9
"""Not of the module, which not every command loads."""

PROGRAM = str(Path(__file__).parents[1] / "opsicle.py")
LOADED = {
    "caller": (
        "opsicle.cli.errors",
        "opsicle.cli.mfa",
        "opsicle.cli.output",
        "opsicle.cli.root",
        "opsicle.cli.sessions",
        "opsicle.client.saved_logins",
        "opsicle.wire.endpoints.identity",
    ),
    "reader": (
        "opsicle.cli.documents",
        "opsicle.cli.errors",
        "opsicle.cli.output",
        "opsicle.cli.root",
        "opsicle.domain.template_parser",
        "opsicle.domain.yaml_reader",
    ),
    "server": (
        "cryptography.hazmat.backends.openssl.backend",
        "encodings.idna",
        "gevent.resolver.thread",
        "opsicle.cli.root",
        "opsicle.cli.server",
        "opsicle.server.channels.kinds.slack.inbox",
        "opsicle.server.channels.kinds.telegram.inbox",
        "opsicle.server.lifecycle",
    ),
    "worker": ("opsicle.cli.root", "opsicle.cli.worker", "opsicle.worker.main"),
}
"""What each role's commands load: those that call a server, those that read documents without one,
the server's and the worker's."""


def load(role: str) -> None:
    """Load what the commands of a role load, and do what each server or worker begins with."""
    if role == "server":
        from opsicle.server import main as server

        server._patch_standard_library()
    for name in LOADED[role]:
        import_module(name)
    if role in {"server", "worker"}:
        from opsicle.kit import structs

        structs.make_ready()
    if role == "server":
        from opsicle.server.http.joining import joined

        joined()


def _serve(requests: socket) -> list[str]:
    """Fork for each request until there are no more, and return the arguments in each fork."""
    running: dict[int, tuple[int, socket]] = {}
    while True:
        ready = _ready([requests.fileno(), *running])
        for descriptor in running.keys() & ready:
            pid, answers = running.pop(descriptor)
            os.close(descriptor)
            with answers:
                _send_number(answers, os.waitstatus_to_exitcode(waitpid(pid, 0)[1]))

        if requests.fileno() not in ready:
            continue
        _, descriptors, _, _ = recv_fds(requests, 1, 4)
        if not descriptors:
            _leave_nothing(pid for pid, _ in running.values())

        *streams, answering = descriptors
        pid = fork()
        if pid == 0:
            os.close(answering)
            requests.close()
            for other, (_, answers) in running.items():
                os.close(other)
                answers.close()
            return _become(streams)

        answers = socket(fileno=answering)
        running[pidfd_open(pid)] = pid, answers
        _send_number(answers, pid)
        for each in streams:
            os.close(each)


def _ready(descriptors: Iterable[int]) -> set[int]:
    """Wait for one that can be read, be its number as high as it may, and return all such."""
    watched = poll()
    for each in descriptors:
        watched.register(each, POLLIN)
    return {each for each, _ in watched.poll()}


def _leave_nothing(running: Iterable[int]) -> NoReturn:
    """End, and let nothing outlive the tests that have started it."""
    for pid in running:
        os.kill(pid, SIGKILL)
    sys.exit()


def _send_number(answers: socket, number: int) -> None:
    """Say a number to whoever asked, unless they no longer wait for it."""
    with suppress(OSError):
        answers.sendall(b"%d\n" % number)


def _become(streams: Sequence[int]) -> list[str]:
    """Take on the streams, environment and folder of a request, and return its arguments."""
    request, out, err = streams
    with os.fdopen(request) as file:
        arguments, environment, folder = json.load(file)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for each in (out, err):
        os.close(each)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    return list(arguments)


def _leave(end: SystemExit) -> None:
    """End as Python does, but leave the memory to the kernel.

    To take it apart is two thirds of a command's work: it is shared with this process's like until
    something touches it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(int(end.code or 0))


if __name__ == "__main__":
    requests = socket(fileno=int(sys.argv[2]))
    gc.disable()
    load(sys.argv[1])
    gc.freeze()
    gc.enable()
    sys.argv = [PROGRAM, *_serve(requests)]
    try:
        main()
    except SystemExit as end:
        _leave(end)
