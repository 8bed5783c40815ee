"""Which service needs which other, and which routes there are: everything is put together here, by hand, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from opsicle.kit.clock import Clock
from opsicle.pki.audit_key import AuditKey
from opsicle.pki.authority import Authority
from opsicle.pki.binding_key import BindingKey
from opsicle.pki.order_key import OrderKey
from opsicle.pki.sealing import Seal
from opsicle.server.api import (
    accounts,
    approvals,
    audit,
    automations,
    channels,
    enrol,
    groups,
    identity,
    invitations,
    orgs,
    policies,
    roles,
    secrets,
    service_accounts,
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
from opsicle.server.background.loop_lag import LoopLag
from opsicle.server.services.accounts import Accounts
from opsicle.server.services.api_tokens import ApiTokens
from opsicle.server.services.approval_facts import approval_facts
from opsicle.server.services.approval_progress import Progress
from opsicle.server.services.approvals import Approvals
from opsicle.server.services.audit import Audit
from opsicle.server.services.audit_checkpoints import AuditCheckpoints
from opsicle.server.services.authenticators import Authenticators
from opsicle.server.services.automations import Automations
from opsicle.server.services.bindings import Bindings
from opsicle.server.services.channels import Channels
from opsicle.server.services.chats import Chats
from opsicle.server.services.deliveries import Deliveries
from opsicle.server.services.dispatch import Dispatch
from opsicle.server.services.egress_bounds import EgressBounds
from opsicle.server.services.enrolments import Enrolments, Urls
from opsicle.server.services.epoch_reports import EpochReports
from opsicle.server.services.figures import Figures
from opsicle.server.services.fleet import Fleet
from opsicle.server.services.following import Following
from opsicle.server.services.forgotten_passwords import ForgottenPasswords
from opsicle.server.services.groups import Groups
from opsicle.server.services.holds import Hold
from opsicle.server.services.invitation_links import InvitationLinks
from opsicle.server.services.invitations import Invitations
from opsicle.server.services.job_logs import JobLogs, LogBounds
from opsicle.server.services.jobs import Jobs
from opsicle.server.services.leases import Leases
from opsicle.server.services.leasing import Leasing
from opsicle.server.services.login_throttle import LoginThrottle
from opsicle.server.services.notices import Notices
from opsicle.server.services.orders import Orders
from opsicle.server.services.orgs import Orgs
from opsicle.server.services.password_changes import PasswordChanges
from opsicle.server.services.passwords import PasswordHasher
from opsicle.server.services.policies import Policies
from opsicle.server.services.preferences import Preferences
from opsicle.server.services.provider import Provider, ServerStatus
from opsicle.server.services.questions import Questions
from opsicle.server.services.recovery import Recovery
from opsicle.server.services.remarks import Remarks
from opsicle.server.services.retention import Keep, Retention
from opsicle.server.services.roles import Roles
from opsicle.server.services.secrets import Secrets
from opsicle.server.services.sending import Sending
from opsicle.server.services.service_accounts import ServiceAccounts
from opsicle.server.services.sessions import Sessions
from opsicle.server.services.signals import Signals
from opsicle.server.services.slack_inbox import SlackInbox
from opsicle.server.services.step_up import StepUp
from opsicle.server.services.telegram_inbox import TelegramInbox
from opsicle.server.services.templates import Templates
from opsicle.server.services.users import Users
from opsicle.server.services.vault import Vault
from opsicle.server.services.waiting_kinds import WaitingKinds
from opsicle.server.services.work import WorkOrders
from opsicle.server.services.workers import Workers
from opsicle.server.store.database import Database
from opsicle.server.store.epochs import FIRST_EPOCH, Epoch
from opsicle.server.store.log_database import LogDatabase
from opsicle.server.store.orgs import list_allowing_shared

_EXPIRE_LEASES_EVERY_SECONDS = 1.0
_KEEP_TIME_EVERY_SECONDS = 1.0
_FORGET_REQUESTS_EVERY_SECONDS = 3600.0
_SHED_LOGS_EVERY_SECONDS = 10.0
_PRUNE_LOGS_EVERY_SECONDS = 3600.0
_SIGN_AUDIT_EVERY_SECONDS = 5.0
_LISTEN_EVERY_SECONDS = 2.0
_DELIVER_EVERY_SECONDS = 1.0
_PRUNE_AUDIT_EVERY_SECONDS = 3600.0
_REFRESH_QUEUE_EVERY_SECONDS = 60.0
_PRUNE_AUTOMATIONS_EVERY_SECONDS = 3600.0
_STEADY_SECONDS = 86400.0


@dataclass(frozen=True)
class Core:
    """What the services stand on."""

    state: Database
    logs: LogDatabase
    authority: Authority
    audit_key: AuditKey
    order_key: OrderKey
    binding_key: BindingKey
    clock: Clock
    seal: Seal
    vault: Vault
    has_open_orgs: bool = False
    epoch: Epoch = FIRST_EPOCH
    egress_bounds: EgressBounds = field(default_factory=EgressBounds)
    log_bounds: LogBounds = field(default_factory=LogBounds)


class Services:
    """The services of a server, built from the bottom up."""

    def __init__(self, core: Core) -> None:
        clock, state, bindings = core.clock, core.state, Bindings(core.binding_key)
        self.core = core
        self.signals = Signals()
        self.fleet = Fleet(clock)
        self.leases = Leases(clock)
        self.status = ServerStatus(core.epoch, Hold(state, self.fleet, clock), Remarks(state, clock))
        self.urls = Urls()
        self.hasher = PasswordHasher()
        self.sessions = Sessions(state, clock, has_open_orgs=core.has_open_orgs)
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
        links = InvitationLinks(self.urls, clock)
        self.invitations = Invitations(state, links, self.accounts, self.hasher, throttle, self.step_up, clock)
        self.orgs = Orgs(state, links, self.step_up, clock)
        self.provider = Provider(state, links, self.sessions, self.step_up, clock, self.status)
        self.roles = Roles(state, self.sessions, self.step_up, clock)
        self.groups = Groups(state, self.sessions, self.step_up, clock)
        self.questions = Questions(state)
        self.service_accounts = ServiceAccounts(state, self.sessions, self.step_up, clock)
        self.tokens = ApiTokens(state, self.sessions, self.step_up, clock)
        self.audit_checkpoints = AuditCheckpoints(state, core.audit_key, clock)
        self.audit = Audit(state, self.audit_checkpoints, core.audit_key.public, clock)
        self.templates = Templates(state, self.step_up, clock)
        self.policies = Policies(state, self.step_up, clock)
        self.secrets = Secrets(state, core.vault, self.step_up, clock)
        self.job_logs = JobLogs(core.logs, clock, core.log_bounds)
        work_orders = WorkOrders(
            core.vault, bindings, Orders(core.order_key, clock, core.epoch), core.log_bounds.job_bytes
        )
        self.sending = Sending(state, core.vault, core.egress_bounds, self.urls, clock)
        self.delivery = Delivery(self.sending)
        self.chats = Chats(state, self.step_up, throttle, clock)
        self.telegram = TelegramInbox(state, core.vault, core.egress_bounds, self.chats, clock)
        self.slack = SlackInbox(state, core.vault, core.egress_bounds, self.chats)
        self.listeners = ChatListeners(self.telegram, self.slack)
        self.telling = Telling(
            Channels(state, core.vault, core.egress_bounds, self.notices, self.step_up, clock),
            Deliveries(state, clock),
            Preferences(state),
            self.chats,
        )
        leasing = Leasing(WaitingKinds(state), self.fleet, self.leases, self.signals, self.notices, clock, work_orders)
        self.jobs = Jobs(state, self.job_logs, leasing, self.signals, self.notices, clock)
        self.dispatch = Dispatch(state, self.jobs, leasing, clock)
        progress = Progress(self.notices, bindings)
        self.automations = Automations(
            state,
            self.job_logs,
            self.dispatch,
            self.fleet,
            self.signals,
            clock,
            core.vault,
            progress,
            self.notices,
            self.step_up,
            bindings,
        )
        self.approvals = Approvals(state, progress, self.notices, apps, self.fleet, self.signals, clock, bindings)
        self.following = Following(self.automations, self.job_logs, self.signals)
        self.enrolments = Enrolments(
            state, core.authority, core.order_key.public, self.urls, throttle, self.step_up, clock
        )
        self.workers = Workers(state, self.fleet, self.step_up, clock)
        self.figures = Figures(state, self.fleet, self.notices.ended)
        self._connect(bindings)

    def _connect(self, bindings: Bindings) -> None:
        """Let services hear of each other what they do not know of when they are built."""
        clock = self.core.clock
        self.chats.decide = self.approvals.decide_in_chat
        self.accounts.remarks = self.status.remarks.shown
        self.notices.describe_approval = lambda db, org_id, approval: approval_facts(
            db, bindings, org_id, approval, clock.now()
        )
        self.fleet.sharing_orgs.update(self.core.state.read(list_allowing_shared))
        self.orgs.on_sharing_changed = self.fleet.sharing_changed
        self.workers.on_revoked = self.dispatch.on_revoked
        self.workers.on_drain_changed = self.dispatch.on_drain_changed
        self.workers.on_labels_granted = self.dispatch.on_labels_granted
        core, hold = self.core, self.status.hold
        self.epoch_reports = EpochReports(core.state, hold, core.order_key.public, core.epoch, clock)
        self.jobs.hear_newer_epoch = self.epoch_reports.hear_newer
        for reason in self.core.logs.lost:
            self.status.remarks.note_lost_logs(reason)
        self.core.logs.on_lost = self.status.remarks.note_lost_logs

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
            *orgs.routes(self.orgs, self.accounts, self.provider),
            *workers.provider_routes(self.workers),
            *tokens.routes(self.tokens),
            *invitations.routes(self.invitations),
            *users.routes(self.users),
            *service_accounts.routes(self.service_accounts),
            *groups.routes(self.groups),
            *roles.routes(self.roles, self.questions),
            *templates.routes(self.templates),
            *automations.routes(self.automations, self.job_logs, self.following),
            *workers.routes(self.workers, self.enrolments),
            *secrets.routes(self.secrets),
            *policies.routes(self.policies),
            *approvals.routes(self.approvals),
            *channels.routes(self.telling),
            *audit.routes(self.audit),
            *enrol.routes(self.enrolments),
        ]

    @cached_property
    def loop_lag(self) -> LoopLag:
        """How long the event loop was held up."""
        return LoopLag()

    def worker_routes(self) -> list[Route]:
        """What the workers' listener offers."""
        return [
            *worker_jobs.routes(self.dispatch, self.jobs, self.audit_checkpoints, self.epoch_reports),
            *enrol.worker_routes(self.enrolments),
        ]

    def loops(self, keep: Callable[[], Keep]) -> list[Loop]:
        """What is to be done again and again; how long things are kept is asked each time."""
        steady = self._if_steady
        retention = Retention(self.core.state, self.job_logs, self.core.clock)
        return [
            # An approval's time is the people's, and goes on without the server; that of leases is not.
            Loop("keep time of approvals", _KEEP_TIME_EVERY_SECONDS, lambda _: self.approvals.keep_time()),
            Loop("expire leases", _EXPIRE_LEASES_EVERY_SECONDS, self.jobs.judge_leases),
            Loop("refresh queue", _REFRESH_QUEUE_EVERY_SECONDS, lambda _: self.jobs.refresh_queue()),
            Loop("forget requests", _FORGET_REQUESTS_EVERY_SECONDS, steady(self.automations.forget_requests)),
            Loop("shed logs", _SHED_LOGS_EVERY_SECONDS, steady(self.job_logs.shed)),
            Loop("prune logs", _PRUNE_LOGS_EVERY_SECONDS, steady(lambda: self.job_logs.prune(keep().logs))),
            Loop("sign audit", _SIGN_AUDIT_EVERY_SECONDS, lambda _: self.audit_checkpoints.sign_due()),
            Loop("listen", _LISTEN_EVERY_SECONDS, lambda _: self.listeners.turn()),
            Loop("deliver", _DELIVER_EVERY_SECONDS, self.delivery.turn),
            Loop("prune deliveries", _PRUNE_LOGS_EVERY_SECONDS, steady(lambda: self.sending.prune(keep().logs))),
            Loop("prune automations", _PRUNE_AUTOMATIONS_EVERY_SECONDS, steady(lambda: retention.prune(keep()))),
            Loop("prune audit", _PRUNE_AUDIT_EVERY_SECONDS, steady(lambda: self._prune_audit(keep().audit))),
        ]

    def _prune_audit(self, keep: timedelta | None) -> None:
        if keep is not None:
            self.audit_checkpoints.prune(keep)
        self.audit_checkpoints.thinning.thin()

    def _if_steady(self, turn: Callable[[], object]) -> Callable[[float], object]:
        """A turn that removes what is old: not on the word of a clock that was set within the last day."""
        return lambda _: turn() if self.core.clock.is_steady_since(_STEADY_SECONDS) else None
