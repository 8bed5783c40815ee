"""How the phases of an automation went, as people are told of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.wire.jobs import StepState
from opsicle.wire.starts import CalledAutomation


class Command(msgspec.Struct, kw_only=True):
    """One command of a phase and how it went."""

    command: str
    state: StepState
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    log_offset: int | None = None


class PhaseTry(msgspec.Struct, kw_only=True):
    """One try of a phase that failed."""

    exit_code: int | None = None
    explanation: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    log_offset: int | None = None


class PhaseState(msgspec.Struct, kw_only=True):
    """One phase of an automation in a list."""

    name: str
    state: StepState = StepState.PENDING


class PhaseRun(msgspec.Struct, kw_only=True):
    """One phase and how it went.

    `has_command_times` is false where commands cannot be told apart. `failed_tries` are those that
    another one followed; people who chose `retry` allow more tries than the template does.
    `message` is what a pause asks. `called` are the templates that it calls,
    `calls` what has come of that; of each time that it did so.
    """

    name: str
    state: StepState
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    tries: int = 0
    tries_allowed: int = 1
    explanation: str = ""
    timeout: int
    when: str
    has_command_times: bool = False
    commands: list[Command] = []
    failed_tries: list[PhaseTry] = []
    message: str = ""
    called: list[str] = []
    calls: list[CalledAutomation] = []
