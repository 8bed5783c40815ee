"""`opsicle man`: the manual page `opsicle(1)`, made of what `docs/cli.md` is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

import click

from opsicle.cli import reference
from opsicle.cli.root import VerbCommand
from opsicle.version import __version__

_HEAD = """\
.TH OPSICLE 1 "" "Opsicle {version}" "Opsicle"
.nh
.ad l
.SH NAME
opsicle \\- runbook automation: server, worker and command line in one program
.SH SYNOPSIS
.B opsicle
.RI [ options ]
.I command
.RI [ arguments ]
.SH DESCRIPTION
"""

_BLOCK = re.compile(
    r"```\w*\n(?P<code>.*?)^```$|(?P<text>\S[^\n]*(?:\n(?!\n|```)[^\n]+)*)",
    re.MULTILINE | re.DOTALL,
)
_MARKED = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*")
_CELLS = re.compile(r"(?<!\\)\|")


@click.command(cls=VerbCommand)
def man() -> None:
    """Print the manual page, for `man` to show: every command and option, as in docs/cli.md."""
    click.echo(render(), nl=False)


def render() -> str:
    """Return the page in the language of man(7)."""
    described = reference.INTRODUCTION.partition("\n**Exit codes.**\n")
    sections = {
        "EXIT STATUS": [described[2]],
        "OPTIONS": [reference.options_everywhere()],
        "COMMANDS": reference.commands(),
    }
    lines = [*_HEAD.format(version=__version__).splitlines(), *_lines(described[0])]
    for title, texts in sections.items():
        lines.append(f".SH {title}")
        for text in texts:
            lines += _lines(text)
    needed = (line for before, line in pairwise(["", *lines]) if not _is_idle(before, line))
    return "\n".join(needed) + "\n"


def _is_idle(before: str, line: str) -> bool:
    """Return whether a line begins a paragraph where a title has begun one."""
    return line == ".PP" and before.startswith((".SH", ".SS"))


def _lines(markdown: str) -> Iterator[str]:
    """Yield the lines for what `reference` writes: it uses a few of Markdown's signs, no more."""
    for block in _BLOCK.finditer(markdown):
        if block["code"] is not None:
            yield from (
                ".PP",
                ".nf",
                ".RS 4",
                *map(_plain, block["code"].splitlines()),
                ".RE",
                ".fi",
            )
        elif block["text"].startswith("## "):
            yield f".SS {_text(block['text'].removeprefix('## '))}"
        elif block["text"].startswith("|"):
            yield from _rows(block["text"].splitlines()[2:])
        else:
            yield from (".PP", _text(" ".join(block["text"].split())))


def _rows(rows: Iterable[str]) -> Iterator[str]:
    """Yield a table's rows as a list: the first cell, and what stands in the others below it."""
    for row in rows:
        first, *others = (cell.strip().replace("\\|", "|") for cell in _CELLS.split(row)[1:-1])
        yield from (".TP", _text(first), _text(others[0]))
        yield from (f"({_text(each)})" for each in others[1:] if each)


def _text(markdown: str) -> str:
    """Return running text, with what is marked as code or strong in bold."""
    parts = []
    end = 0
    for marked in _MARKED.finditer(markdown):
        parts += [
            _escaped(markdown[end : marked.start()]),
            f"\\fB{_escaped(marked[1] or marked[2])}\\fR",
        ]
        end = marked.end()
    return _guarded("".join([*parts, _escaped(markdown[end:])]))


def _plain(line: str) -> str:
    return _guarded(_escaped(line))


def _escaped(text: str) -> str:
    """Return text without what means something to man(7), with hyphens that can be copied."""
    for sign, name in (
        ("\\", "\\e"),
        ("-", "\\-"),
        ("'", "\\(aq"),
        ("`", "\\(ga"),
        ("~", "\\(ti"),
        ("^", "\\(ha"),
    ):
        text = text.replace(sign, name)
    return text


def _guarded(line: str) -> str:
    """Return a line that is none of man(7)'s own commands."""
    return f"\\&{line}" if line.startswith(".") else line
