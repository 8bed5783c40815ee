"""Calls about proofs of identity: authenticator apps, sessions, passwords."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire import identity_api as wire
from opsicle.wire.endpoints import identity as endpoints


class IdentityCalls(Calls):
    """The caller's own proofs, and what an admin does for those who have lost theirs."""

    def totp(self) -> wire.TotpStatus:
        """Return whether the caller has an authenticator app."""
        return self._call(endpoints.SHOW_TOTP)

    def enrol_totp(self) -> wire.NewTotp:
        """Begin to enrol an authenticator app."""
        return self._call(endpoints.ENROL_TOTP)

    def confirm_totp(self, totp: str) -> wire.RecoveryCodes:
        """Complete the enrolment with a first code."""
        return self._call(endpoints.CONFIRM_TOTP, body=wire.TotpRequest(totp))

    def renew_recovery_codes(self, totp: str) -> wire.RecoveryCodes:
        """Replace the recovery codes."""
        return self._call(endpoints.RENEW_RECOVERY_CODES, body=wire.TotpRequest(totp))

    def disable_totp(self, totp: str) -> None:
        """Take the caller's authenticator app away."""
        self._call(endpoints.DISABLE_TOTP, body=wire.TotpRequest(totp))

    def step_up(self, totp: str) -> wire.StepUpValidity:
        """Show a fresh code, for what raised StepUpRequired."""
        return self._call(endpoints.STEP_UP, body=wire.TotpRequest(totp))

    def sessions(self) -> Iterator[wire.Session]:
        """Yield the caller's own sessions."""
        return self._pages(endpoints.LIST_SESSIONS)

    def revoke_session(self, session_id: str) -> None:
        """End one of the caller's own sessions."""
        self._call(endpoints.REVOKE_SESSION, session_id)

    def change_password(self, current: str, new: str) -> None:
        """Change the caller's own password."""
        request = wire.ChangePasswordRequest(current_password=current, password=new)
        self._call(endpoints.CHANGE_PASSWORD, body=request)

    def reset_password(self, token: str, password: str) -> None:
        """Set a new password with the token of a reset link."""
        request = wire.ResetPasswordRequest(token=token, password=password)
        self._call(endpoints.RESET_PASSWORD, body=request)

    def forgot_password(self, email: str) -> None:
        """Ask for a link for a new password by e-mail."""
        self._call(endpoints.FORGOT_PASSWORD, body=wire.ForgottenPasswordRequest(email))

    def make_reset_link(self, who: str) -> wire.NewResetLink:
        """Make the one-time link with which a person sets a new password."""
        return self._call(endpoints.MAKE_RESET_LINK, who)

    def reset_totp(self, who: str) -> None:
        """Take away the authenticator app that a person has lost."""
        self._call(endpoints.RESET_TOTP, who)

    def end_sessions(self, who: str) -> None:
        """Log a person out of the org everywhere."""
        self._call(endpoints.END_SESSIONS, who)
