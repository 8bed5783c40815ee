"""The person at the terminal: whether there is one, what may be shown, and how to ask them."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from opsicle.cli.input_files import STDIN, read_start
from opsicle.domain.errors import InvalidInput, UsageError
from opsicle.domain.visible_text import visible

_SHOW_AFTER_SECONDS = 1.0
_MAX_PASSWORD_FILE_BYTES = 4096
_MAX_TOKEN_FILE_BYTES = 8192


def say(text: str) -> None:
    """Write a line for the person to stderr, where it disturbs no program that reads stdout."""
    click.echo(text, err=True)


def printable(text: str) -> str:
    """Return the text on one line, with signs for whatever could move the cursor or mislead."""
    return visible(text)


def echo_document(text: str) -> None:
    """Print a document: as it is into a file or pipe.

    On a terminal with signs for what would not be seen.
    """
    shown = visible(text, keep="\n\t") if sys.stdout.isatty() else text
    click.echo(shown, nl=not text.endswith("\n"))


def has_person() -> bool:
    """Return whether somebody is there to answer a question."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def has_reader() -> bool:
    """Return whether somebody reads both streams, and no pager or file takes one of them."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))


def shows_colours(stream: TextIO) -> bool:
    """Return whether colours belong on this stream (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Return the text in a colour, where the stream (stderr unless told) shows any."""
    return click.style(text, fg=colour) if shows_colours(stream or sys.stderr) else text


def ask(question: str, option: str, *, is_hidden: bool = False, is_new: bool = False) -> str:
    """Ask for one line; what is new and hidden is asked for twice.

    Raises UsageError where nobody can answer.
    """
    require_person(option)
    answer: str = click.prompt(
        question, hide_input=is_hidden, confirmation_prompt=is_hidden and is_new, err=True
    )
    return answer


def confirm(question: str, option: str) -> bool:
    """Ask for a yes. Raises UsageError where nobody can answer."""
    require_person(option)
    return click.confirm(question, err=True)


def require_person(option: str) -> None:
    """Raise UsageError, which names the option to use instead, where nobody can be asked."""
    if not has_person():
        raise UsageError(
            f"{option} is needed", hint="Without a terminal nobody can be asked for it."
        )


def read_password(
    path: str | None,
    *,
    is_new: bool = False,
    name: str = "Password",
    option: str = "--password-file",
) -> str:
    """Return the password in a file (`-`: stdin), or asked for. Raises InvalidInput or UsageError.

    One line break at the end is not part of it.
    """
    if path is None:
        return ask(name, option, is_hidden=True, is_new=is_new)
    try:
        content = read_start(path, _MAX_PASSWORD_FILE_BYTES)
        password = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise InvalidInput(f"the password file cannot be read: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("the password file is not UTF-8 text") from error
    if not password or "\n" in password:
        raise InvalidInput("the password file must hold one line, the password")
    return password


def read_token(text: str | None, file: str | None, option: str, file_option: str) -> str:
    """Return a token from the option itself or from a file (`-`: stdin).

    Raises UsageError unless one of them is given.

    White space around it is not part of it. Raises InvalidInput for a file that cannot be one.
    """
    if bool(text) == bool(file):
        raise UsageError(f"give {file_option} FILE (or {option}), one of the two")
    if file is None:
        return (text or "").strip()
    if file == STDIN and has_person():
        return ask("Token", file_option, is_hidden=True).strip()
    try:
        content = read_start(file, _MAX_TOKEN_FILE_BYTES)
        token = content.decode("utf-8-sig").strip()
    except OSError as error:
        raise InvalidInput(f"the token file cannot be read: {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the token file holds no token: {file}") from error
    if not token.isascii() or len(token.split()) != 1:
        raise InvalidInput(f"the token file must hold the token and nothing else: {file}")
    return token


def given_link(link: str) -> str:
    """Return a one-time link as it was given.

    `-` reads it from standard input, where no other user of the machine sees it.
    """
    return read_token(None, STDIN, "LINK", "LINK") if link == STDIN else link.strip()


class StatusLine:
    """One line at the bottom of the terminal that says how things stand.

    Nothing where stderr is no terminal.
    """

    def __init__(self) -> None:
        self._is_on = sys.stderr.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        """Put this in the line's place."""
        text = printable(text)
        if self._is_on and text != self._shown:
            sys.stderr.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Make room for other output."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = ""


@contextmanager
def waiting() -> Iterator[None]:
    """Show, where a second has passed inside, that we wait for the server, and for how long.

    Nothing is shown but on a terminal.
    """
    if not sys.stderr.isatty():
        yield
        return

    done = threading.Event()
    thread = threading.Thread(target=_show_waiting, args=(done,), name="waiting", daemon=True)
    thread.start()

    try:
        yield
    finally:
        done.set()
        thread.join()


def _show_waiting(done: threading.Event) -> None:
    line, seconds = StatusLine(), 0
    while not done.wait(_SHOW_AFTER_SECONDS):
        seconds += 1
        line.show(f"waiting for the server … {seconds} s")
    line.clear()
