"""What a check has found."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is. A `problem` makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """The result of one check: what is so, and what to do about it."""

    check: str
    level: Level
    message: str
    hint: str = ""


def ok(check: str, message: str) -> Finding:
    """Return that nothing is wrong."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, hint: str) -> Finding:
    """Return what may become a problem."""
    return Finding(check, Level.WARNING, message, hint)


def problem(check: str, message: str, hint: str) -> Finding:
    """Return what is to be mended."""
    return Finding(check, Level.PROBLEM, message, hint)
