"""What a check has found."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is. A `problem` makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Diagnosis(msgspec.Struct, frozen=True):
    """The result of one check: what is so, and what to do about it."""

    check: str
    level: Level
    message: str
    hint: str = ""


def ok(check: str, message: str) -> Diagnosis:
    """Return that nothing is wrong."""
    return Diagnosis(check, Level.OK, message)


def warning(check: str, message: str, hint: str) -> Diagnosis:
    """Return what may become a problem."""
    return Diagnosis(check, Level.WARNING, message, hint)


def problem(check: str, message: str, hint: str) -> Diagnosis:
    """Return what is to be mended."""
    return Diagnosis(check, Level.PROBLEM, message, hint)
