"""What needs `cryptography`, in a process that ends at once.

Kept loaded, it would cost an idle worker 11 MiB for good.

The question goes to the child in its environment, the answer comes back on its standard output,
both as JSON.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from opsicle.domain.errors import BY_CODE, Internal, OpsicleError
from opsicle.worker.connection import ServerConnection
from opsicle.worker.identity import Identity, WorkerDataFolder
from opsicle.worker.process import spawn

_QUESTION = "OPSICLE_SIGNING"
_TAG = 1  # no job's: theirs are 60 bits of a digest


class EnrolQuestion(msgspec.Struct, tag="enrol", kw_only=True):
    """Exchange a join token for an identity; see `enrolment.enrol`."""

    token: str
    name: str
    labels: dict[str, str]
    slots: int
    is_ephemeral: bool = False


class RenewQuestion(msgspec.Struct, tag="renew", kw_only=True):
    """Renew the certificate of the identity in a data folder; see `enrolment.renew`."""

    folder: str


class LocateQuestion(msgspec.Struct, tag="locate", kw_only=True):
    """Ask a server where it takes workers; see `enrolment.locate`. `token` or `url` says which."""

    token: str = ""
    url: str = ""
    joined_url: str = ""
    ca_pem: str


Question = EnrolQuestion | RenewQuestion | LocateQuestion


class _Failure(msgspec.Struct, tag="failure"):
    code: str
    message: str
    hint: str


class _Success(msgspec.Struct, tag="success"):
    identity: Identity


class _Located(msgspec.Struct, tag="located"):
    urls: list[str]


def ask(question: EnrolQuestion | RenewQuestion) -> Identity:
    """Have a child process answer the question.

    Raises what answering it raises, and Internal if the child fails.
    """
    answer = _ask(question)
    assert isinstance(answer, _Success)
    return answer.identity


def locate(question: LocateQuestion) -> list[str]:
    """Have a child process ask a server where it takes workers. Raises as `ask` does."""
    answer = _ask(question)
    assert isinstance(answer, _Located)
    return answer.urls


def _ask(question: Question) -> _Success | _Located:
    environment = dict(os.environb)
    environment[b"PYTHONPATH"] = os.fsencode(
        os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    )
    environment[_QUESTION.encode()] = msgspec.json.encode(question)
    code = f"from {__name__} import main; main()"

    try:
        child = spawn(
            [os.fsencode(sys.executable), b"-P", b"-c", code.encode()], environment, Path("/"), _TAG
        )
    except OSError as error:
        raise Internal(f"a child process cannot be started: {error.strerror}") from error

    os.set_blocking(child.stdout, True)
    with os.fdopen(child.stdout, "rb") as stdout, os.fdopen(child.stderr, "rb"):
        content = stdout.read()
    child.wait()

    try:
        answer = msgspec.json.decode(content, type=_Success | _Located | _Failure)
    except msgspec.DecodeError as error:
        raise Internal(
            "the process that makes keys failed", hint="Start the worker again with --verbose."
        ) from error

    if isinstance(answer, _Failure):
        raise BY_CODE.get(answer.code, Internal)(answer.message, hint=answer.hint)

    return answer


def main() -> None:
    """Answer the question, as the child, and end."""
    question = msgspec.json.decode(os.environb.pop(_QUESTION.encode()), type=Question)
    try:
        answer: _Success | _Located | _Failure = _answer(question)
    except OpsicleError as error:
        answer = _Failure(error.code, error.message, error.hint)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _answer(question: Question) -> _Success | _Located:
    from opsicle.worker import enrolment  # loads an HTTP client, in this child alone

    if isinstance(question, EnrolQuestion):
        return _Success(
            enrolment.enrol(
                question.token,
                question.name,
                question.labels,
                question.slots,
                is_ephemeral=question.is_ephemeral,
            )
        )
    if isinstance(question, LocateQuestion):
        return _Located(
            enrolment.locate(question.token, question.url, question.joined_url, question.ca_pem)
        )
    identity = WorkerDataFolder(Path(question.folder)).load_identity()
    if identity is None:
        raise Internal("the identity is gone")
    return _Success(enrolment.renew(ServerConnection(identity), identity))
