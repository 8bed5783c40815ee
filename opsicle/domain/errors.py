"""Everything that can go wrong in a way a person is meant to see.

    OpsicleError
    ├── InvalidInput          what was given cannot be used; `problems` says where
    │   └── UsageError        the command line was wrong
    ├── NotAuthenticated      nobody is logged in, or the proof was wrong
    │   └── TotpRequired      the password was right; a code of the authenticator app is needed too
    ├── NotAllowed            logged in, but this is not for them
    │   └── StepUpRequired    for them, once they have shown a fresh code of their authenticator app
    ├── NotFound              absent, or somebody else's: nobody can tell which
    │   └── Gone              it was here, and is kept no longer
    ├── Conflict              the thing is in the wrong state, or changed meanwhile
    │   ├── VersionConflict   somebody has pushed a version since the one that was expected
    │   ├── LeavesBehind      a removal would take more with it than itself: say that it is meant
    │   ├── Suspended             the org starts nothing until those who run the server let it
    │   ├── LeaseLost         the job has passed to another worker, or is over
    │   ├── LogIncomplete     a job cannot finish while part of its log is missing
    │   ├── Unreadable        a row that somebody has altered, or that is damaged
    │   └── ClockOff          this machine's clock and the server's are too far apart
    ├── TooManyRequests       slow down; `retry_after` seconds
    ├── TooLarge              more bytes than we take
    ├── Unreachable           the server (or the network to it) is away
    ├── Unavailable           this server cannot do it just now (starting, draining, disk full)
    └── Internal              our fault; the details are in the server's log

`code` is stable and part of the contract. The HTTP status is decided only in `wire/problems.py`,
the exit code only in `cli/__init__.py`. No message holds a secret, a host path or a stack trace.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mistake in what was given: where it is and what is wrong with it.

    `path` names the place as `spec.template.phases[0].timeout`; `line` is 1-based, 0 where there is
    none.
    """

    path: str
    message: str
    line: int = 0


class OpsicleError(Exception):
    """Something a person is meant to see: what happened, and what to do about it."""

    code = "error"
    title = "Something went wrong"

    def __init__(self, message: str, *, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = problems


class InvalidInput(OpsicleError):
    """What was given cannot be used; `problems` says where and why."""

    code = "invalid_input"
    title = "Invalid input"


class UsageError(InvalidInput):
    """The command line was wrong."""

    code = "usage"
    title = "Wrong usage"


class NotAuthenticated(OpsicleError):
    """Nobody is logged in, or the proof of who it is was wrong."""

    code = "not_authenticated"
    title = "Not logged in"


class TotpRequired(NotAuthenticated):
    """The password was right; the account also asks for a code of the authenticator app."""

    code = "totp_required"
    title = "A code is needed"


class NotAllowed(OpsicleError):
    """The caller is known, but this is not for them."""

    code = "not_allowed"
    title = "Not allowed"


class StepUpRequired(NotAllowed):
    """The caller must first show a fresh code of their authenticator app."""

    code = "step_up_required"
    title = "A fresh code is needed"


class NotFound(OpsicleError):
    """Absent, or another org's: the caller cannot tell which."""

    code = "not_found"
    title = "Not found"


class Gone(NotFound):
    """It was here, and is kept no longer; the message says since when and why."""

    code = "gone"
    title = "No longer kept"


class Conflict(OpsicleError):
    """The thing is in the wrong state, or changed meanwhile."""

    code = "conflict"
    title = "Conflict"


class VersionConflict(Conflict):
    """Another version is the newest than whoever pushes expected; the message says whose it is."""

    code = "version_conflict"
    title = "Changed meanwhile"


class LeavesBehind(Conflict):
    """What is to be removed would take more with it than itself; the message says what."""

    code = "leaves_behind"
    title = "More goes with it"


class Suspended(Conflict):
    """The org starts nothing, and nothing of it changes, until those who run the server let it."""

    code = "suspended"
    title = "The org is suspended"

    @classmethod
    def because(cls, text: str) -> Suspended:
        """Make the error with what there is to say of it."""
        return cls(text, hint="Reading goes on. Ask whoever runs this server.")


class LeaseLost(Conflict):
    """The job is no longer this worker's: stop it and drop it."""

    code = "lease_lost"
    title = "Lease lost"

    @classmethod
    def of(cls, job_id: str) -> LeaseLost:
        """Make the error for a job."""
        return cls(f"job {job_id} is no longer yours", hint="Stop it and drop it.")


class LogIncomplete(Conflict):
    """A job cannot finish while part of its log is missing: send the rest first."""

    code = "log_incomplete"
    title = "Log incomplete"


class Unreadable(Conflict, ValueError):
    """What is stored was altered, or is damaged.

    A ValueError too, as is whatever cannot be parsed.
    """

    code = "unreadable"
    title = "Cannot be read"

    @classmethod
    def of(cls, what: str) -> Unreadable:
        """Make the error for a thing, as `the policy careful`."""
        return cls(
            f"what is stored of {what} cannot be read",
            hint="Somebody has written to the database, or it is damaged: "
            "look into `opsicle audit list`, then make it anew, or put a backup in its place.",
        )


class ClockOff(Conflict):
    """This machine's clock and the server's are too far apart to go on.

    Once both are right, the same will do.
    """

    code = "clock_off"
    title = "The clock is off"


class TooManyRequests(OpsicleError):
    """The caller must slow down; `retry_after` is in seconds."""

    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, message: str, *, retry_after: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class TooLarge(OpsicleError):
    """More bytes than we take."""

    code = "too_large"
    title = "Too large"


class Unreachable(OpsicleError):
    """The server, or the network to it, is away."""

    code = "unreachable"
    title = "Server unreachable"


class Unavailable(OpsicleError):
    """This server cannot do it just now: it starts, drains, or its disk is full."""

    code = "unavailable"
    title = "Not available now"


class Internal(OpsicleError):
    """A defect of ours. The details are in the log, never in the message."""

    code = "internal"
    title = "Internal error"


BY_CODE: dict[str, type[OpsicleError]] = {
    kind.code: kind
    for kind in tuple(globals().values())
    if isinstance(kind, type)
    and issubclass(kind, OpsicleError)
    and kind not in (OpsicleError, TooManyRequests)
}
"""What a code that came over the wire stands for. Not TooManyRequests, which is nothing without its
`retry_after`."""


def required(value: T | None, otherwise: Exception) -> T:
    """Return what must be there. Raises `otherwise` where it is None."""
    if value is None:
        raise otherwise
    return value
