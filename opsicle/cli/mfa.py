"""Codes of the authenticator app, where the server asks for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from opsicle.cli.sessions import connect
from opsicle.cli.terminal import ask, confirm, has_person
from opsicle.client.api import Api
from opsicle.domain.errors import LeavesBehind, OpsicleError, StepUpRequired
from opsicle.wire.endpoints import identity as endpoints
from opsicle.wire.identity_api import TotpRequest

T = TypeVar("T")

totp_option = click.option(
    "--totp",
    metavar="N",
    help="Code of your authenticator app, or a recovery code, where one is asked for.",
)


def with_step_up(totp: str | None, call: Callable[[Api], T]) -> T:
    """Call the server; if it asks for a fresh code, get one and call again.

    The code is kept back until it is asked for, because it works only once.
    """
    api = connect()
    try:
        return call(api)
    except StepUpRequired as error:
        api.call(endpoints.STEP_UP, body=TotpRequest(totp or prompt_for_code(error)))
    return call(api)


def removed(totp: str | None, remove: Callable[[Api, bool], None], *, yes: bool) -> None:
    """Remove what may take more with it: then it says so, and asks on a terminal.

    `yes`: it is meant in any case.

    `remove` takes the API, and whether that is meant. Raises LeavesBehind where nobody says so.
    """
    try:
        with_step_up(totp, lambda api: remove(api, yes))
    except LeavesBehind as left:
        if not has_person() or not confirm(f"{left.message}. Remove all the same?", "--yes"):
            raise
        with_step_up(totp, lambda api: remove(api, True))


def prompt_for_code(refusal: OpsicleError) -> str:
    """Return the code that a person types.

    Raises the refusal that asks for it where nobody is there.
    """
    if not has_person():
        raise type(refusal)(refusal.message, hint="Give it with --totp.") from refusal
    return ask("Code of your authenticator app", "--totp")


def code_or_prompt(totp: str | None) -> str:
    """Return the code that was given, or that a person types.

    Raises UsageError where nobody is there.
    """
    return totp or ask("Code of your authenticator app", "--totp")
