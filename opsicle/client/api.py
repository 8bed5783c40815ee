"""The server's public routes as functions. Each raises what `connection.py` says; replies are checked by type."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import msgspec

from opsicle.client.access import AccessCalls
from opsicle.client.approvals import ApprovalCalls, PolicyCalls
from opsicle.client.calls import part
from opsicle.client.trust import is_certificate_refused
from opsicle.domain.errors import Conflict, Unavailable, Unreachable
from opsicle.kit.backoff import Backoff
from opsicle.wire import fleet_api as fleet
from opsicle.wire import identity_api as identity
from opsicle.wire import user_api as wire
from opsicle.wire.audit import AuditEntry, AuditVerdict
from opsicle.wire.secret_api import CreateSecretRequest, Secret, UpdateSecretRequest

LOG_TRIES = 5
TRIGGER_TRIES = 5
_TRIGGER_WAIT_SECONDS = (0.1, 2.0)


class Api(ApprovalCalls, PolicyCalls, AccessCalls):
    """One server, as one caller sees it."""

    # People and sessions

    def ca(self) -> str:
        """The certificates, as PEM, that a client of this server may trust."""
        return self.connection.send("GET", "/api/v1/ca").body.decode("ascii", "replace")

    def setup(self, request: wire.SetupRequest) -> wire.Me:
        """Create the first org and its admin."""
        return self._post("/api/v1/setup", request, wire.Me)

    def login(self, request: wire.LoginRequest) -> wire.LoginReply:
        """Begin a session. Raises TotpRequired where a code is needed too."""
        return self._post("/api/v1/login", request, wire.LoginReply)

    def logout(self) -> None:
        """End the session whose token this is."""
        self.connection.send("POST", "/api/v1/logout")

    def whoami(self) -> wire.Me:
        """The caller."""
        return self._get("/api/v1/whoami", wire.Me)

    def totp(self) -> identity.TotpStatus:
        """Whether the caller has an authenticator app."""
        return self._get("/api/v1/totp", identity.TotpStatus)

    def enrol_totp(self) -> identity.NewTotp:
        """Begin to enrol an authenticator app."""
        return self._post("/api/v1/totp", None, identity.NewTotp)

    def confirm_totp(self, totp: str) -> identity.RecoveryCodes:
        """Complete the enrolment with a first code."""
        return self._post("/api/v1/totp/confirm", identity.TotpRequest(totp), identity.RecoveryCodes)

    def renew_recovery_codes(self, totp: str) -> identity.RecoveryCodes:
        """Replace the recovery codes."""
        return self._post("/api/v1/totp/recovery-codes", identity.TotpRequest(totp), identity.RecoveryCodes)

    def disable_totp(self, totp: str) -> None:
        """Take the caller's authenticator app away."""
        self._tell("POST", "/api/v1/totp/disable", identity.TotpRequest(totp))

    def step_up(self, totp: str) -> identity.StepUp:
        """Show a fresh code, for what raised StepUpRequired."""
        return self._post("/api/v1/step-up", identity.TotpRequest(totp), identity.StepUp)

    def sessions(self) -> Iterator[identity.Session]:
        """The caller's own sessions."""
        return self._pages("/api/v1/sessions", identity.Session)

    def revoke_session(self, session_id: str) -> None:
        """End one of the caller's own sessions."""
        self._tell("DELETE", f"/api/v1/sessions/{part(session_id)}")

    def change_password(self, current: str, new: str) -> None:
        """Change the caller's own password."""
        request = identity.ChangePasswordRequest(current_password=current, password=new)
        self._tell("POST", "/api/v1/password", request)

    def reset_password(self, token: str, password: str) -> None:
        """Set a new password with the token of a reset link."""
        request = identity.ResetPasswordRequest(token=token, password=password)
        self._tell("POST", "/api/v1/password/reset", request)

    def forgot_password(self, email: str) -> None:
        """Ask for a link for a new password by e-mail."""
        self._tell("POST", "/api/v1/password/forgotten", identity.ForgottenPasswordRequest(email))

    def make_reset_link(self, who: str) -> identity.NewResetLink:
        """Make the one-time link with which a person sets a new password."""
        return self._post(f"/api/v1/users/{part(who)}/reset", None, identity.NewResetLink)

    def reset_totp(self, who: str) -> None:
        """Take away the authenticator app that a person has lost."""
        self._tell("DELETE", f"/api/v1/users/{part(who)}/totp")

    def end_sessions(self, who: str) -> None:
        """Log a person out of the org everywhere."""
        self._tell("DELETE", f"/api/v1/users/{part(who)}/sessions")

    def users(self) -> Iterator[wire.User]:
        """The people of the org."""
        return self._pages("/api/v1/users", wire.User)

    def user(self, who: str) -> wire.User:
        """One person, by id or e-mail address."""
        return self._get(f"/api/v1/users/{part(who)}", wire.User)

    def create_user(self, request: wire.CreateUserRequest) -> wire.User:
        """Add a person to the org."""
        return self._post("/api/v1/users", request, wire.User)

    def update_user(self, who: str, request: wire.UpdateUserRequest) -> wire.User:
        """Change what is given of a person."""
        return self._send("PATCH", f"/api/v1/users/{part(who)}", request, wire.User)

    def delete_user(self, who: str, *, new_owner: str = "", is_confirmed: bool = False) -> None:
        """Remove a person from the org; their service accounts go to `new_owner`.

        Raises LeavesBehind where more would go with them, unless `is_confirmed`.
        """
        query = urlencode({"new_owner": new_owner, "confirmed": str(is_confirmed).lower()})
        self.connection.send("DELETE", f"/api/v1/users/{part(who)}?{query}")

    def audit(self, **filters: str | None) -> Iterator[AuditEntry]:
        """The record, newest first; `filters` are the parameters of the route, those without a value left out."""
        query = urlencode({name: value for name, value in filters.items() if value})
        return self._pages("/api/v1/audit", AuditEntry, query)

    def audit_export(self) -> Iterator[bytes]:
        """The org's whole record as JSON Lines, in pieces."""
        with self.connection.stream("/api/v1/audit/export") as stream:
            yield from stream.pieces

    def audit_verdict(self) -> AuditVerdict:
        """Let the server check the org's record; that may take it as long as a request may take."""
        return self._get("/api/v1/audit/verify", AuditVerdict)

    def audit_key(self) -> str:
        """The public key of the server's records, as PEM."""
        return self.connection.send("GET", "/api/v1/audit/key").body.decode("ascii", "replace")

    def secrets(self) -> Iterator[Secret]:
        """The org's secrets, without their values."""
        return self._pages("/api/v1/secrets", Secret)

    def secret(self, name: str) -> Secret:
        """One secret, without its value."""
        return self._get(f"/api/v1/secrets/{part(name)}", Secret)

    def create_secret(self, request: CreateSecretRequest) -> Secret:
        """Keep a new secret."""
        return self._post("/api/v1/secrets", request, Secret)

    def update_secret(self, name: str, request: UpdateSecretRequest) -> Secret:
        """Give a secret its next value."""
        return self._send("PUT", f"/api/v1/secrets/{part(name)}", request, Secret)

    def delete_secret(self, name: str) -> None:
        """Remove a secret."""
        self.connection.send("DELETE", f"/api/v1/secrets/{part(name)}")

    # Templates

    def templates(self) -> Iterator[wire.TemplateSummary]:
        """All templates in their newest versions."""
        return self._pages("/api/v1/templates", wire.TemplateSummary)

    def push(self, source: str) -> wire.Pushed:
        """Make this document the newest version of the template that it names."""
        return self._post("/api/v1/templates", wire.SourceRequest(source=source), wire.Pushed)

    def template(self, name: str, version: int | None = None) -> wire.TemplateVersion:
        """One version, the newest unless told."""
        path = f"/api/v1/templates/{part(name)}"
        return self._get(path if version is None else f"{path}/versions/{version}", wire.TemplateVersion)

    def template_versions(self, name: str) -> Iterator[wire.TemplateVersionSummary]:
        """All versions of a template."""
        return self._pages(f"/api/v1/templates/{part(name)}/versions", wire.TemplateVersionSummary)

    def diff(self, name: str, old: int, new: int) -> wire.TemplateDiff:
        """How two versions differ."""
        query = urlencode({"from": old, "to": new})
        return self._get(f"/api/v1/templates/{part(name)}/diff?{query}", wire.TemplateDiff)

    def delete_template(self, name: str) -> None:
        """Take a template out of use."""
        self.connection.send("DELETE", f"/api/v1/templates/{part(name)}")

    # Automations

    def run(self, request: wire.RunRequest) -> wire.Automation:
        """Trigger an automation: once, even if the connection breaks and the request is sent again."""
        return self._trigger("/api/v1/automations", request)

    def rerun(self, automation_id: str) -> wire.Automation:
        """Trigger a new automation with the template version and values of an old one, once as in `run`."""
        return self._trigger(f"{_automation(automation_id)}/rerun", None)

    def automations(self, **filters: str | None) -> Iterator[wire.AutomationSummary]:
        """Automations, newest first. The filters are `state`, `template`, `requester` and `since`."""
        query = urlencode({key: value for key, value in filters.items() if value})
        return self._pages("/api/v1/automations", wire.AutomationSummary, query)

    def automation(self, automation_id: str) -> wire.Automation:
        """One automation, whole."""
        return self._get(_automation(automation_id), wire.Automation)

    def cancel(self, automation_id: str) -> wire.Automation:
        """Ask that an automation stops."""
        return self._post(f"{_automation(automation_id)}/cancel", None, wire.Automation)

    def log(self, automation_id: str, offset: int = 0) -> Iterator[bytes]:
        """The newest job's log from `offset` as it is now, in pieces.

        A broken connection is made anew and nothing read twice.

        Raises Conflict if another attempt begins meanwhile.
        """
        job, tries, start = "", 0, offset
        while True:
            path = f"{_automation(automation_id)}/log?{urlencode({'offset': offset})}"
            try:
                with self.connection.stream(path) as stream:
                    if job and stream.headers.get("Opsicle-Job") != job:
                        raise Conflict("another attempt began while the log was read", hint="Ask for the log again.")
                    job = stream.headers.get("Opsicle-Job", "")
                    for piece in stream.pieces:
                        offset, tries = offset + len(piece), 0
                        yield piece
                if offset < int(stream.headers.get("Opsicle-Log-Size", "0")):
                    raise Unreachable("the log broke off")
                return
            except Unreachable:
                tries += 1
                if tries >= LOG_TRIES or offset == start:
                    raise

    def events_path(self, automation_id: str, offset: int = 0) -> str:
        """Where the automation's live events are, with its log from `offset` on."""
        return f"{_automation(automation_id)}/events" + (f"?offset={offset}" if offset else "")

    # Workers

    def workers(self, *, is_shared: bool = False, with_revoked: bool = False) -> Iterator[fleet.Worker]:
        """The org's fleet, or the provider's."""
        return self._pages(_fleet(is_shared), fleet.Worker, "all=true" if with_revoked else "")

    def worker(self, who: str, *, is_shared: bool = False) -> fleet.Worker:
        """One worker, by id or name."""
        return self._get(f"{_fleet(is_shared)}/{part(who)}", fleet.Worker)

    def change_worker(self, who: str, change: str, *, is_shared: bool = False) -> fleet.Worker:
        """Change a worker's state: `drain`, `undrain` or `revoke`."""
        return self._post(f"{_fleet(is_shared)}/{part(who)}/{change}", None, fleet.Worker)

    def update_worker(self, who: str, labels: dict[str, str], *, is_shared: bool = False) -> fleet.Worker:
        """Grant a worker these labels instead of those that it has."""
        request = fleet.UpdateWorkerRequest(labels=labels)
        return self._send("PATCH", f"{_fleet(is_shared)}/{part(who)}", request, fleet.Worker)

    def create_join_token(
        self, ttl_seconds: int, *, is_shared: bool = False, labels: dict[str, str] | None = None
    ) -> fleet.NewJoinToken:
        """Make the secret with which one worker can enrol; with `labels` it is granted these and no others."""
        request = fleet.CreateJoinTokenRequest(ttl_seconds=ttl_seconds, is_shared=is_shared, labels=labels)
        return self._post("/api/v1/workers/tokens", request, fleet.NewJoinToken)

    def _trigger(self, path: str, request: msgspec.Struct | None) -> wire.Automation:
        """Send until there is an answer; by the key the server knows a request that it has carried out already."""
        headers = {"Idempotency-Key": secrets.token_urlsafe(24)}
        backoff = Backoff(*_TRIGGER_WAIT_SECONDS)
        for _ in range(TRIGGER_TRIES - 1):
            try:
                return self._send("POST", path, request, wire.Automation, headers)
            except (Unreachable, Unavailable) as error:
                if is_certificate_refused(error):
                    raise
            time.sleep(backoff.next_delay())
        return self._send("POST", path, request, wire.Automation, headers)


def _fleet(is_shared: bool) -> str:
    return "/api/v1/provider/workers" if is_shared else "/api/v1/workers"


def _automation(automation_id: str) -> str:
    return f"/api/v1/automations/{part(automation_id)}"
