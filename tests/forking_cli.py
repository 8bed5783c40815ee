"""Runs commands of the command line, each in a process that begins as a copy of this one.

`python -m tests.forking_cli DESCRIPTOR` takes them from a socket: a file with arguments,
environment and folder, where both streams go, and a socket for process id and exit code. From
reading the arguments on, all is the command's own as ever. This loads nothing beforehand that a
command would not load that calls a server, so that none can lean on it; a test sees to that.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from opsicle.cli import main

PROGRAM = str(Path(__file__).parents[1] / "opsicle.py")
LOADED = (
    "opsicle.cli.errors",
    "opsicle.cli.mfa",
    "opsicle.cli.output",
    "opsicle.cli.root",
    "opsicle.cli.sessions",
    "opsicle.client.saved_logins",
    "opsicle.wire.endpoints.identity",
)


def _serve(requests: socket.socket) -> list[str]:
    """Fork for each request until there are no more, and return the arguments in each fork."""
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([requests, *running], [], [])
        for descriptor in running.keys() & ready:
            pid, answers = running.pop(descriptor)
            os.close(descriptor)
            with answers:
                _send_number(answers, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

        if requests not in ready:
            continue
        _, descriptors, _, _ = socket.recv_fds(requests, 1, 4)
        if not descriptors:
            sys.exit()

        *streams, answering = descriptors
        pid = os.fork()
        if pid == 0:
            os.close(answering)
            return _become(streams)

        answers = socket.socket(fileno=answering)
        running[os.pidfd_open(pid)] = pid, answers
        _send_number(answers, pid)
        for each in streams:
            os.close(each)


def _send_number(answers: socket.socket, number: int) -> None:
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


if __name__ == "__main__":
    for name in LOADED:
        import_module(name)
    gc.freeze()
    sys.argv = [PROGRAM, *_serve(socket.socket(fileno=int(sys.argv[1])))]
    main()
