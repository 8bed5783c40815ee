"""Messages about proof of identity, for browsers and the command line; see `user_api.py`.

`totp` is always six digits of the authenticator app, or a recovery code in their place.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsicle.domain.bounds import Email, Password, Token, Word


class SetupState(msgspec.Struct):
    """Whether this server has no org yet, and waits for whoever has the setup token."""

    is_needed: bool


class TotpRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A code that proves that the person is there."""

    totp: Word


class TotpStatus(msgspec.Struct, kw_only=True):
    """Whether logging in asks for a code, and how many recovery codes are left."""

    is_enrolled: bool
    confirmed_at: datetime | None = None
    recovery_codes_left: int = 0


class NewTotp(msgspec.Struct, kw_only=True):
    """An enrolment that has begun.

    `qr` holds the dark modules of `uri` as a QR code, row by row, without a margin.
    """

    secret: str
    uri: str
    qr: list[list[bool]]


class RecoveryCodes(msgspec.Struct):
    """Codes that each work once, shown this one time."""

    codes: list[str]


class StepUpValidity(msgspec.Struct):
    """Until when this session need not show another code."""

    expires_at: datetime


class Session(msgspec.Struct, kw_only=True):
    """A login.

    It ends at `expires_at` at the latest, and at `idle_expires_at` if it is not used until then.
    """

    id: str
    kind: Literal["browser", "cli"]
    org: str
    address: str
    is_current: bool
    created_at: datetime
    last_used_at: datetime
    idle_expires_at: datetime
    expires_at: datetime


class ChangePasswordRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes one's own password."""

    current_password: Password
    password: Password


class NewResetLink(msgspec.Struct, kw_only=True):
    """A link with which its person sets a new password, once; shown this one time."""

    url: str
    expires_at: datetime


class ForgottenPasswordRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Asks for a link for a new password, by e-mail."""

    email: Email


class ResetPasswordRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Sets a new password with the token of a reset link."""

    token: Token
    password: Password
