"""`opsicle totp`: your authenticator app, whose codes prove that you are there."""

from __future__ import annotations

import io

import click

from opsicle.cli.mfa import code_or_prompt, totp_option
from opsicle.cli.output import emit
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import ask, has_person, say
from opsicle.wire.endpoints import identity as endpoints
from opsicle.wire.identity_api import NewTotp, RecoveryCodes, TotpRequest


@click.group(cls=NounGroup)
def totp() -> None:
    """Manage your authenticator app, whose codes prove that you are there."""


@totp.command()
def show() -> None:
    """Show whether you have one, and how many recovery codes are left."""
    status = connect().call(endpoints.SHOW_TOTP)
    fields: list[tuple[str, object]] = [("enrolled", status.is_enrolled)]
    if status.is_enrolled:
        fields += [
            ("since", status.confirmed_at),
            ("recovery codes left", status.recovery_codes_left),
        ]
    emit(status, fields)


@totp.command()
def enrol() -> None:
    """Enrol an app: scan the QR code, then type the code that the app shows.

    Without a terminal the secret is printed; `opsicle totp confirm` then completes the enrolment.
    """
    api = connect()
    new = api.call(endpoints.ENROL_TOTP)
    if not has_person():
        emit({"secret": new.secret, "uri": new.uri}, [("secret", new.secret), ("uri", new.uri)])
        return
    _show(new)
    _emit_codes(
        api.call(endpoints.CONFIRM_TOTP, body=TotpRequest(ask("Code that the app shows", "--totp")))
    )


@totp.command()
@totp_option
def confirm(totp: str | None) -> None:
    """Complete an enrolment with the first code that the app shows."""
    _emit_codes(connect().call(endpoints.CONFIRM_TOTP, body=TotpRequest(code_or_prompt(totp))))


@totp.command("recovery-codes")
@totp_option
def recovery_codes(totp: str | None) -> None:
    """Make new recovery codes; the old ones work no longer."""
    _emit_codes(
        connect().call(endpoints.RENEW_RECOVERY_CODES, body=TotpRequest(code_or_prompt(totp)))
    )


@totp.command()
@totp_option
def disable(totp: str | None) -> None:
    """Take your app away: logging in then needs the password alone."""
    connect().call(endpoints.DISABLE_TOTP, body=TotpRequest(code_or_prompt(totp)))
    emit({"is_enrolled": False}, [("enrolled", False)])


def _show(new: NewTotp) -> None:
    import segno

    terminal_qr = io.StringIO()
    segno.make_qr(new.uri, error="m").terminal(terminal_qr, compact=True)
    say(f"Scan this with your authenticator app:\n\n{terminal_qr.getvalue()}")
    say(f"or type this secret into it: {new.secret}\n")


def _emit_codes(codes: RecoveryCodes) -> None:
    say(
        "Each of these recovery codes works once in place of the app. "
        "Keep them where your telephone is not."
    )
    emit(codes, [("", code) for code in codes.codes])
