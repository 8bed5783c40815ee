"""Making one shell script of a phase's commands, with markers between them.

The script means exactly what the commands mean when they stand under each other. Between two of
them it writes a marker into each of its two streams (see command_markers.py), with nothing but
builtins of the shell; `$?`, the line numbers of messages, `set -e`, `set -x`, every variable and
every file descriptor stay what they would be. Where a marker cannot be set (one `if` over several
commands), or could be noticed, the script has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import NamedTuple

from opsicle.worker import process
from opsicle.worker.command_markers import ShellStreams, new_word
from opsicle.worker.os_account import OsAccount
from opsicle.worker.stdio_pipes import NamedPipes

_MARKING_SHELLS = {"sh", "dash", "bash", "ash"}
_POSIX_SHELLS = _MARKING_SHELLS | {"ksh", "ksh93", "mksh", "zsh"}

_COULD_NOTICE = re.compile(
    r"""PIPESTATUS | BASH_COMMAND | \$_\b | \$\{_\b          # what the last command was
      | \bset\s+[-+]\w*v | \bset\b[^\n]*\bverbose\b          # shows every line that is read
      | \btrap\b[^\n]*\b(?:DEBUG|RETURN)\b                   # runs around every command
      | BASH_XTRACEFD                                        # `set -x` where its traces are seen
      | \balias\b | \becho\s*\( | \bfunction\s+echo\b        # can give a word another meaning
    """,
    re.VERBOSE,
)
"""In a phase that has this in it, a boundary could be noticed."""

_RESERVED = "if then elif else fi for select while until do done case esac in function time coproc"
_IN_WORD = r"\w./=:@%+,^*?~\]-"
_ITEM = re.compile(
    rf"""[ \t]*(?:
    # quoted, nothing nested in it
      '[^']*' | "(?:[^"\\`$]|\\.|\$\w+(?!\w)|\$\{{\w+\}}|\$[?$!\#*@])*"
    # a variable, an escape, find's {{}}
    | \$\w+ | \$\{{\w+\}} | \$[?$!*@] | \\[^\n] | \{{\}}
    # a word that opens or closes nothing: Bash reads one like `a[` on to its `]`, over lines
    | (?!(?:{_RESERVED.replace(" ", "|")})(?![\[{_IN_WORD}])|\[\[)
      (?:\[(?=[ \t]) | (?:[{_IN_WORD}]|\[[{_IN_WORD}]*\])+)
    # a redirection, no here-document
    | [0-9]?(?:>>?|<(?!<))(?:&[0-9](?!\w)|[ \t]*(?=[\w./$'"-]))
    )""",
    re.VERBOSE,
)
_BLANKS = re.compile(r"[ \t]*")
_SEPARATOR = re.compile(r";|&&|\|\|?|\n")


class Script(NamedTuple):
    """A phase's commands as one text.

    `has_markers` says whether it tells when one ends and the next begins; `word` is what markers
    begin with, if that takes any. `pipes` are what it has to print into, if not whatever there is.
    """

    text: bytes
    has_markers: bool
    word: bytes = b""
    pipes: NamedPipes | None = None


def marked_script(
    commands: Sequence[str], streams: ShellStreams, pipes: NamedPipes | None = None
) -> Script:
    """Make the script of two or more commands that can have markers, with markers in `streams`."""
    # The redirections of `_opsicle_mark` and `:` keep `set -x` from showing them; `&&` keeps `set
    # -e` from ending the script here, where `$?` may be that of a failed condition.
    word = new_word()
    tell = f'echo "{word.decode()} $1 $2"'
    lines = [
        f"_opsicle_mark() {{ {tell} {streams.stdout}; {tell} {streams.stderr}; "
        f'return "$2"; }}; {commands[0]}'
    ]

    for number, command in enumerate(commands[1:], start=1):
        marker = f'{{ _opsicle_mark {number} "$?"; }} 2>/dev/null && {{ :; }} 2>/dev/null; '
        lines.append(marker + command)

    return Script("\n".join(lines).encode(), has_markers=True, word=word, pipes=pipes)


def plain_script(commands: Sequence[str]) -> Script:
    """Return the commands under each other and nothing else."""
    return Script("\n".join(commands).encode(), has_markers=len(commands) == 1)


def is_posix_shell(shell: str) -> bool:
    """Return whether `shell` understands `-e` and `-c`, by its name; python3 does not."""
    return PurePath(shell).name in _POSIX_SHELLS


def can_have_markers(shell: str, commands: Sequence[str], account: OsAccount | None = None) -> bool:
    """Return whether markers can stand between the commands; may ask the shell, as the job's user.

    A single command needs none: it begins and ends with the shell.
    """
    if len(commands) < 2:
        return False
    if PurePath(shell).name not in _MARKING_SHELLS or any(
        _COULD_NOTICE.search(command) for command in commands
    ):
        return False
    return all(_is_plain(command) or _is_complete(shell, command, account) for command in commands)


def _is_plain(command: str) -> bool:
    """Return whether a command is surely complete by itself.

    One of which this is not known may be as well: then the shell is asked, which costs a process.
    Goes on from item to item, since an expression for them all would have to repeat a group without
    ever going back: Python 3.11.2, which is Debian's, then takes `true &&` for complete (CPython's
    gh-106052).
    """
    end = _end_of_items(command, 0)
    while end and (separator := _SEPARATOR.match(command, end)):
        following = _end_of_items(command, separator.end())
        if not following:
            break
        end = following
    return end > 0 and command[end:] in {"", ";", "&"}


def _end_of_items(command: str, start: int) -> int:
    """Return where the items and blanks that begin there end, 0 if there is no item."""
    end = start
    while item := _ITEM.match(command, end):
        end = item.end()
    blanks = _BLANKS.match(command, end)
    return blanks.end() if blanks and end > start else 0


@lru_cache(maxsize=256)
def _is_complete(shell: str, command: str, account: OsAccount | None = None) -> bool:
    """Ask the shell whether the command neither needs nor swallows what follows it.

    As the job's own user: the shell may be a file that an earlier command has made.
    """
    if command.endswith("\\"):
        return False
    if not _parses(shell, command, account):
        return False
    # A here-document whose end is missing parses, but it would swallow the bracket, which is a
    # mistake otherwise.
    return "<<" not in command or not _parses(shell, command + "\n)", account)


def _parses(shell: str, text: str, account: OsAccount | None) -> bool:
    return process.succeeds([shell.encode(), b"-n", b"-c", text.encode()], account)
