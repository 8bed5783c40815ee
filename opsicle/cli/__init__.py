"""The command line: `main` runs one command, and is the only place that decides exit codes.

    0 succeeded · 1 failed · 2 wrong usage or invalid input · 3 not allowed or not logged in
    4 not found · 5 conflict · 6 server unreachable
    10 rejected or expired · 11 cancelled · 12 timed out · 13 unknown
    130 interrupted · 141 the reader of our output went away

Start time counts: what is not needed by every command is imported inside the functions that need
it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from opsicle.cli import standard_streams
from opsicle.cli.invocation import Invocation

if TYPE_CHECKING:
    from opsicle.domain.errors import OpsicleError

_REFUSED_OUTPUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})

_LEFT_OUT = ("opsicle.server", "opsicle.worker")
"""What the files for macOS and Windows do not have."""

INTERRUPTED = 130
BROKEN_PIPE = 141

_OF_ERRORS = {
    "InvalidInput": 2,
    "TooLarge": 2,
    "NotAuthenticated": 3,
    "NotAllowed": 3,
    "NotFound": 4,
    "Conflict": 5,
    "Unreachable": 6,
    "Unavailable": 6,
}
"""By the name of the class or of one it derives from; every other error is 1."""

_OF_STATES = {
    "failed": 1,
    "rejected": 10,
    "expired": 10,
    "cancelled": 11,
    "timed_out": 12,
    "unknown": 13,
}
"""By the state in which an automation ended; every other state is 0."""


def main() -> NoReturn:
    """Run the command that the process was started with, and exit."""
    standard_streams.ensure()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks is no failure.
            stream.reconfigure(errors="backslashreplace")

    code = execute(sys.argv[1:])
    _discard_broken_output()
    sys.exit(code)


def execute(arguments: list[str]) -> int:
    """Run one command and return its exit code; whatever goes wrong is reported on stderr."""
    invocation = Invocation()
    try:
        result = _invoke(arguments, invocation)
        sys.stdout.flush()
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last line of defence: nobody sees a traceback
        return _report(error, invocation)
    return code_of_result(result)


def code_of_result(result: object) -> int:
    """Return the exit code for what a command returned.

    The state in which something ended, an error it has shown, nothing.
    """
    if isinstance(result, Exception):
        return code_of_error(result)
    return _OF_STATES.get(str(result), 0)


def code_of_error(error: BaseException) -> int:
    """Return the exit code for an error."""
    codes = (
        _OF_ERRORS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _OF_ERRORS
    )
    return next(codes, 1)


def _invoke(arguments: list[str], invocation: Invocation) -> object:
    from opsicle.cli.root import root

    if instruction := os.environ.get("_OPSICLE_COMPLETE"):
        from click.shell_completion import shell_complete

        raise click.exceptions.Exit(
            shell_complete(root, {}, "opsicle", "_OPSICLE_COMPLETE", instruction)
        )
    from opsicle.cli.configuration import read_defaults

    with root.make_context(
        "opsicle", list(arguments), obj=invocation, default_map=read_defaults(root)
    ) as context:
        return root.invoke(context)


def _report(error: Exception, invocation: Invocation) -> int:
    from opsicle.cli.errors import show

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return 2
    explained = _explained(error)
    show(explained, as_json=invocation.output == "json")
    return code_of_error(explained)


def _explained(error: Exception) -> OpsicleError:
    """Return the error as one of ours. A defect's details go to a file."""
    from opsicle.cli.errors import keep_details
    from opsicle.domain.errors import Internal, OpsicleError, UsageError

    if isinstance(error, OpsicleError):
        return error
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "opsicle"
        return UsageError(error.format_message(), hint=f"`{command} --help` shows what it takes.")
    if isinstance(error, click.ClickException):
        return UsageError(error.format_message())
    if isinstance(error, UnicodeEncodeError) and (odd := _not_text(sys.argv[1:])):
        return UsageError(
            f"an argument is not UTF-8 text: {odd}",
            hint="What is the locale of the shell that made it?",
        )
    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith(_LEFT_OUT):
        from opsicle.cli.root import left_out

        return left_out("what does this")
    if isinstance(error, OSError) and error.errno in _REFUSED_OUTPUT:
        return OpsicleError(f"the output could not be written: {error.strerror}")
    return Internal("internal error", hint=keep_details(error))


def _not_text(arguments: list[str]) -> str:
    """Return the first argument that is no UTF-8, with signs for its odd bytes.

    PEP 383 has them as lone surrogates.
    """
    from opsicle.domain.visible_text import visible

    odd = (
        argument for argument in arguments if not argument.isascii() and _has_surrogate(argument)
    )
    return visible(next(odd, ""))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _discard_broken_output() -> None:
    """Let the interpreter's last flush go nowhere if nobody takes it, instead of complaining."""
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
