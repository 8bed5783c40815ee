"""What starts an automation: whoever asks for it, or something that does so by itself."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import MemberOf
from opsicle.domain.calls import CalledBy
from opsicle.domain.errors import InvalidInput, NotAllowed, OpsicleError, Problem
from opsicle.domain.files import file_variables, items_of
from opsicle.domain.secrets import only_secret
from opsicle.domain.templates import Template
from opsicle.domain.variables import check_values
from opsicle.server.access.member_actors import member_actor
from opsicle.server.access.validators import SERVICE_DOMAIN
from opsicle.server.automations.runnable import runnable_version
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.wire.starts import StartedBy, StarterKind
from opsicle.wire.user_api import RunRequest

_BY_AUTOMATION = frozenset({StarterKind.CHAIN, StarterKind.CALL, StarterKind.FAN_OUT})
"""Starters whose id is that of an automation."""

MOST_REASON_CHARACTERS = 500
"""Of why something that starts by itself has not started: the reason is kept, and listed."""


class CalledRun(msgspec.Struct, frozen=True):
    """A call that another automation was bound to when that was triggered, and where it is made."""

    at: CalledBy
    bound: BoundCall


class MemberRun(msgspec.Struct, frozen=True):
    """A part of an automation on several machines, and what that was bound to call on each."""

    of: MemberOf
    calls: tuple[BoundCall, ...]


class Starter(msgspec.Struct, frozen=True):
    """Something that starts automations with somebody's rights: a schedule, a trigger.

    `claim` is called with the new automation's id in the transaction that makes it: what it writes
    becomes durable together with that. It raises to have nothing made. `depth` is how far below
    what somebody has started the new one is. `called`: what its caller has bound it to be;
    `member`: of what it is a part.
    """

    kind: StarterKind
    id: str
    name: str
    claim: Callable[[Connection, str], None]
    depth: int = 0
    called: CalledRun | None = None
    member: MemberRun | None = None

    @property
    def shown(self) -> dict[str, str]:
        """How it stands in the record."""
        parent = {"automation_id": self.parent_id} if self.parent_id else {}
        return {"kind": self.kind, "name": self.name, **parent}

    @property
    def parent_id(self) -> str:
        """The automation that starts the new one, "" if none does."""
        return self.id if self.kind in _BY_AUTOMATION else ""

    def start(self, db: Connection, row: AutomationRow) -> AutomationRow:
        """Claim the start, as part of a transaction, and return the row that says so."""
        self.claim(db, row.id)
        return msgspec.structs.replace(
            row,
            started_by_kind=self.kind,
            started_by_name=self.name,
            started_by_id=self.id,
            depth=self.depth,
            called_by=msgspec.json.encode(self.called.at).decode() if self.called else "",
            member_of=msgspec.json.encode(self.member.of).decode() if self.member else "",
        )


def started_by(row: AutomationRow) -> StartedBy:
    """Return what started an automation, its requester unless something else is known."""
    known = {str(kind): kind for kind in StarterKind}
    if row.started_by_kind in known:
        kind = known[row.started_by_kind]
        parent = row.started_by_id if kind in _BY_AUTOMATION else None
        return StartedBy(kind, row.started_by_name, parent)
    is_service = row.requester_email.endswith(SERVICE_DOMAIN)
    kind = StarterKind.SERVICE_ACCOUNT if is_service else StarterKind.USER
    return StartedBy(kind, row.requester_email)


def starting_problems(
    db: Connection,
    org_id: str,
    principal_id: str,
    channel: str,
    request: RunRequest,
    check: Callable[[Template, RunRequest], object] | None = None,
) -> list[Problem]:
    """Return what keeps something pushed from starting as things are now, as warnings.

    It would start in the name of `principal_id`, by way of `channel`.

    Raises InvalidInput for values that do not fit the template, if that is there: so what is
    mistyped is said when it is pushed. `check` does so where more values come with each start.
    """
    try:
        actor = member_actor(db, org_id, principal_id, channel)
    except NotAllowed as error:
        return [Problem("spec.runAs", f"it cannot start: {error.message}")]
    try:
        _, template, needs_code = runnable_version(db, actor, request)
    except OpsicleError as error:
        return [Problem("spec.template", f"it cannot start: {error.message}")]
    refuse_files(template, request)
    if check:
        check(template, request)
    else:
        check_values(template.variables, request.values)
    refuse_secret_values(template, request)
    if needs_code:
        message = "it cannot start: the template asks for a fresh code of whoever runs it"
        return [Problem("spec.template", message)]
    return []


def refuse_files(template: Template, request: RunRequest) -> None:
    """Raise InvalidInput where a file would have to be given: what is pushed holds none."""
    problems = tuple(
        Problem(
            f"spec.values.{variable.id}",
            "takes a file, and nothing that starts by itself has one to give; "
            "let a command fetch it, or run the template by hand",
        )
        for variable in file_variables(template.variables)
        if variable.is_required or items_of(request.values.get(variable.id))
    )
    if problems:
        raise InvalidInput("a file cannot be pushed as a value", problems=problems)


def refuse_secret_values(template: Template, request: RunRequest) -> None:
    """Raise InvalidInput for the value of a secret variable: what is pushed is kept as text."""
    values = {name: value for name, value in request.values.items() if value is not None}
    problems = tuple(
        Problem(
            f"spec.values.{name}",
            "is secret, and what is pushed can be read: keep it as a secret of the org, "
            "which a phase names under `secrets`",
        )
        for name in only_secret(template.variables, values)
    )
    if problems:
        raise InvalidInput("a secret cannot be pushed as a value", problems=problems)
