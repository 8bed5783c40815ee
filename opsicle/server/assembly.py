"""Which service needs which other, and which routes there are: everything is put together here, by hand, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from opsicle.kit.clock import Clock
from opsicle.pki.audit_key import AuditKey
from opsicle.pki.authority import Authority
from opsicle.pki.sealing import Seal
from opsicle.server.api import (
    accounts,
    audit,
    automations,
    channels,
    enrol,
    identity,
    secrets,
    templates,
    tokens,
    users,
    worker_jobs,
    workers,
)
from opsicle.server.api.channels import Telling
from opsicle.server.api.http import Route
from opsicle.server.api.identity import Identity
from opsicle.server.background.chat_listeners import ChatListeners
from opsicle.server.background.delivery import Delivery
from opsicle.server.background.loop import Loop
from opsicle.server.services.accounts import Accounts
from opsicle.server.services.api_tokens import ApiTokens
from opsicle.server.services.audit import Audit
from opsicle.server.services.audit_checkpoints import AuditCheckpoints
from opsicle.server.services.authenticators import Authenticators
from opsicle.server.services.automations import Automations
from opsicle.server.services.channels import Channels
from opsicle.server.services.chats import Chats
from opsicle.server.services.deliveries import Deliveries
from opsicle.server.services.dispatch import Dispatch
from opsicle.server.services.enrolments import Enrolments, Urls
from opsicle.server.services.fleet import Fleet
from opsicle.server.services.following import Following
from opsicle.server.services.forgotten_passwords import ForgottenPasswords
from opsicle.server.services.job_logs import JobLogs
from opsicle.server.services.jobs import Jobs
from opsicle.server.services.leases import Leases
from opsicle.server.services.leasing import Leasing
from opsicle.server.services.login_throttle import LoginThrottle
from opsicle.server.services.notices import Notices
from opsicle.server.services.password_changes import PasswordChanges
from opsicle.server.services.passwords import PasswordHasher
from opsicle.server.services.preferences import Preferences
from opsicle.server.services.recovery import Recovery
from opsicle.server.services.secrets import Secrets
from opsicle.server.services.sending import Sending
from opsicle.server.services.sessions import Sessions
from opsicle.server.services.signals import Signals
from opsicle.server.services.step_up import StepUp
from opsicle.server.services.telegram_inbox import TelegramInbox
from opsicle.server.services.templates import Templates
from opsicle.server.services.users import Users
from opsicle.server.services.vault import Vault
from opsicle.server.services.workers import Workers
from opsicle.server.store.automations import count_by_state
from opsicle.server.store.database import Database

_EXPIRE_LEASES_EVERY_SECONDS = 1.0
_FORGET_REQUESTS_EVERY_SECONDS = 3600.0
_PRUNE_LOGS_EVERY_SECONDS = 3600.0
_SIGN_AUDIT_EVERY_SECONDS = 5.0
_LISTEN_EVERY_SECONDS = 2.0
_DELIVER_EVERY_SECONDS = 0.5
_PRUNE_AUDIT_EVERY_SECONDS = 3600.0


@dataclass(frozen=True)
class Core:
    """What the services stand on."""

    state: Database
    logs: Database
    authority: Authority
    audit_key: AuditKey
    clock: Clock
    seal: Seal
    vault: Vault


class Services:
    """The services of a server, built from the bottom up."""

    def __init__(self, core: Core) -> None:
        clock, state = core.clock, core.state
        self.core = core
        self.signals = Signals()
        self.fleet = Fleet(clock)
        self.leases = Leases(clock)
        self.urls = Urls()
        self.hasher = PasswordHasher()
        self.sessions = Sessions(state, clock)
        self.notices = Notices(clock)
        throttle = LoginThrottle(state, clock)
        apps = Authenticators(state, core.seal, throttle, clock)
        self.step_up = StepUp(state, apps, clock)
        self.identity = Identity(
            apps,
            self.step_up,
            self.sessions,
            PasswordChanges(state, self.sessions, self.hasher, throttle, self.step_up, clock),
            Recovery(state, self.sessions, self.step_up, self.urls, clock),
            ForgottenPasswords(state, self.notices, clock),
        )
        self.accounts = Accounts(state, self.sessions, self.hasher, throttle, apps, clock)
        self.users = Users(state, self.sessions, self.hasher, self.step_up, clock)
        self.tokens = ApiTokens(state, self.sessions, self.step_up, clock)
        self.audit_checkpoints = AuditCheckpoints(state, core.audit_key, clock)
        self.audit = Audit(state, self.audit_checkpoints, core.audit_key.public, clock)
        self.templates = Templates(state, clock)
        self.secrets = Secrets(state, core.vault, clock)
        self.job_logs = JobLogs(core.logs, clock)
        self.sending = Sending(state, core.vault, self.urls, clock)
        self.delivery = Delivery(self.sending)
        self.chats = Chats(state, self.step_up, throttle, clock)
        self.telegram = TelegramInbox(state, core.vault, self.chats)
        self.listeners = ChatListeners(self.telegram)
        self.telling = Telling(
            Channels(state, core.vault, self.notices, self.step_up, clock),
            Deliveries(state, clock),
            Preferences(state),
            self.chats,
        )
        leasing = Leasing(self.fleet, self.leases, self.signals, clock, core.vault)
        self.jobs = Jobs(state, self.job_logs, leasing, self.signals, self.notices, clock)
        self.dispatch = Dispatch(state, self.jobs, leasing, clock)
        self.automations = Automations(state, self.job_logs, self.dispatch, self.fleet, self.signals, clock, core.vault)
        self.following = Following(self.automations, self.job_logs, self.signals)
        self.enrolments = Enrolments(state, core.authority, self.urls, throttle, clock)
        self.workers = Workers(state, self.fleet, clock)
        self.workers.on_revoked = self.dispatch.on_revoked
        self.workers.on_drain_changed = self.dispatch.on_drain_changed

    def close(self) -> None:
        """End what has threads or greenlets of its own."""
        self.listeners.close()
        self.delivery.close()
        self.hasher.close()
        self.job_logs.close()

    def user_routes(self) -> list[Route]:
        """What the users' listener offers about orgs and what they have."""
        return [
            *accounts.routes(self.accounts),
            *identity.routes(self.identity),
            *tokens.routes(self.tokens),
            *users.routes(self.users),
            *templates.routes(self.templates),
            *automations.routes(self.automations, self.job_logs, self.following),
            *workers.routes(self.workers, self.enrolments),
            *secrets.routes(self.secrets),
            *channels.routes(self.telling),
            *audit.routes(self.audit),
            *enrol.routes(self.enrolments),
        ]

    def worker_routes(self) -> list[Route]:
        """What the workers' listener offers."""
        return [
            *worker_jobs.routes(self.dispatch, self.jobs, self.audit_checkpoints),
            *enrol.worker_routes(self.enrolments),
        ]

    def open_automations(self) -> Mapping[str, int]:
        """How many automations of all orgs are in each state that is not final, for the metrics."""
        return self.core.state.read(count_by_state)

    def loops(self, keep_logs: timedelta, keep_audit: timedelta | None) -> list[Loop]:
        """What is to be done again and again; without `keep_audit` the record is kept for ever."""
        prune_audit = [
            Loop("prune audit", _PRUNE_AUDIT_EVERY_SECONDS, partial(self.audit_checkpoints.prune, keep))
            for keep in (keep_audit,)
            if keep is not None
        ]
        return [
            Loop("expire leases", _EXPIRE_LEASES_EVERY_SECONDS, self.jobs.expire),
            Loop("forget requests", _FORGET_REQUESTS_EVERY_SECONDS, self.automations.forget_requests),
            Loop("prune logs", _PRUNE_LOGS_EVERY_SECONDS, lambda: self.job_logs.prune(keep_logs)),
            Loop("sign audit", _SIGN_AUDIT_EVERY_SECONDS, self.audit_checkpoints.sign_due),
            Loop("listen", _LISTEN_EVERY_SECONDS, self.listeners.turn),
            Loop("deliver", _DELIVER_EVERY_SECONDS, self.delivery.turn),
            Loop("prune deliveries", _PRUNE_LOGS_EVERY_SECONDS, lambda: self.sending.prune(keep_logs)),
            *prune_audit,
        ]
