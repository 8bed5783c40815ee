"""Which service needs which other, and which routes there are.

Everything is put together here and in dispatch_assembly.py, by hand, once.
"""

from __future__ import annotations

from functools import cached_property

from opsicle.server.approvals.service import Approvals
from opsicle.server.artifacts.service import Artifacts
from opsicle.server.audit.checkpoints import AuditCheckpoints
from opsicle.server.audit.service import Audit
from opsicle.server.automations.call_starts import CallStarts
from opsicle.server.automations.chain_starts import ChainStarts
from opsicle.server.automations.fan_outs import FanOuts
from opsicle.server.automations.live_streams import LiveStreams
from opsicle.server.automations.order_trails import OrderTrails
from opsicle.server.automations.releases import GroupReleases
from opsicle.server.automations.resumes import Resumes
from opsicle.server.automations.service import Automations
from opsicle.server.automations.target_automations import TargetAutomations
from opsicle.server.automations.target_last_runs import TargetLastRunReader
from opsicle.server.channels.chat_listeners import ChatListeners
from opsicle.server.channels.chats import Chats
from opsicle.server.channels.deliveries import Deliveries
from opsicle.server.channels.delivery_loop import DeliveryLoop
from opsicle.server.channels.kind import InboxParts
from opsicle.server.channels.kinds import KINDS
from opsicle.server.channels.preferences import Preferences
from opsicle.server.channels.routes import ChannelServices
from opsicle.server.channels.sender import DeliverySender
from opsicle.server.channels.service import Channels
from opsicle.server.core import Core
from opsicle.server.dispatch_assembly import DispatchServices
from opsicle.server.figures import Figures
from opsicle.server.files.service import Files
from opsicle.server.forwarding.forwarder import Forwarder
from opsicle.server.identity.accounts import Accounts
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.identity.logins import Logins
from opsicle.server.identity.password_changes import PasswordChanges
from opsicle.server.identity.passwords import PasswordHasher
from opsicle.server.identity.routes.identity import IdentityServices
from opsicle.server.identity.server_setup import ServerSetup
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.logs.retention import LogRetention
from opsicle.server.logs.service import Logs
from opsicle.server.loop_lag import LoopLag
from opsicle.server.members.api_tokens import ApiTokens
from opsicle.server.members.groups import Groups
from opsicle.server.members.invitation_links import InvitationLinks
from opsicle.server.members.invitation_mail import InvitationMail
from opsicle.server.members.invitations import Invitations
from opsicle.server.members.operator import ServerOperations
from opsicle.server.members.orgs import Orgs
from opsicle.server.members.permissions import PermissionChecks
from opsicle.server.members.recovery import Recovery
from opsicle.server.members.resets import ForgottenPasswords
from opsicle.server.members.roles import Roles
from opsicle.server.members.service_accounts import ServiceAccounts
from opsicle.server.members.users import Users
from opsicle.server.operation.announcements import Announcements
from opsicle.server.operation.org_status import OrgStatus
from opsicle.server.operation.orgs import OrgOperations
from opsicle.server.operation.removal import OrgRemoval
from opsicle.server.policies.service import Policies
from opsicle.server.schedules.service import Schedules
from opsicle.server.schedules.starting import ScheduleStarts
from opsicle.server.secrets.service import Secrets
from opsicle.server.secrets.uses import SecretUsage
from opsicle.server.targets.service import Targets
from opsicle.server.templates.drafts import Drafts
from opsicle.server.templates.service import Templates
from opsicle.server.triggers.hooks import Hooks
from opsicle.server.triggers.samples import SampleCalls
from opsicle.server.triggers.service import Triggers
from opsicle.server.workers.enrolment import Enrolments
from opsicle.server.workers.ephemeral import EphemeralWorkers
from opsicle.server.workers.join_tokens import JoinTokens
from opsicle.server.workers.service import Workers


class Services(DispatchServices):
    """The services of a server, built from the bottom up."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._build_identity(core)
        self._build_documents(core)
        self._build_automations(core)
        self._build_starts(core)
        self._build_views(core)
        self._build_members(core)
        self._build_channels(core)

    def _build_identity(self, core: Core) -> None:
        """Build who somebody is, and the record of what they do."""
        clock, state = core.clock, core.state

        self.hasher = PasswordHasher()
        self.sessions = Sessions(state, clock, has_open_orgs=core.has_open_orgs)
        self.throttle = LoginThrottle(state, clock)
        self.apps = Authenticators(state, core.seal, self.throttle, clock)
        self.step_up = StepUp(state, self.apps, clock)
        self.identity = IdentityServices(
            self.apps,
            self.step_up,
            self.sessions,
            PasswordChanges(state, self.sessions, self.hasher, self.throttle, self.step_up, clock),
        )

        self.server_setup = ServerSetup(
            state, self.sessions, self.hasher, self.throttle, clock, core.on_set_up
        )
        self.logins = Logins(state, self.sessions, self.hasher, self.throttle, self.apps, clock)
        self.accounts = Accounts(state, self.sessions, clock, core.remarks, self.fleet)

        self.audit_checkpoints = AuditCheckpoints(state, core.audit_key, clock)
        self.audit = Audit(state, self.audit_checkpoints, core.audit_key.public, clock)
        self.forwarders = [
            Forwarder(destination, state, clock, core.remarks)
            for destination in core.forwarding.destinations(clock)
        ]

    def _build_documents(self, core: Core) -> None:
        """Build what people push and keep, and the workers they enrol."""
        clock, state, step_up = core.clock, core.state, self.step_up
        self.templates = Templates(state, step_up, clock)
        self.drafts = Drafts(state, step_up, clock)
        self.policies = Policies(state, step_up, clock)
        self.secrets = Secrets(state, core.vault, step_up, clock)
        self.secret_usage = SecretUsage(state)
        self.targets = Targets(state, clock)
        self.workers = Workers(state, self.fleet, step_up, clock)

        self.enrolments = Enrolments(
            state, core.authority, core.order_key.public, self.urls, self.throttle, clock
        )
        self.ephemeral_workers = EphemeralWorkers(
            state, self.fleet, self.workers, clock, core.ephemeral_silent_seconds
        )
        self.join_tokens = JoinTokens(state, self.urls, step_up, clock)

    def _build_automations(self, core: Core) -> None:
        """Build triggering, and what people decide about what was triggered."""
        clock, state, bindings = core.clock, core.state, self.bindings
        self.approvals = Approvals(
            state,
            self.progress,
            self.outbox,
            self.apps,
            self.fleet,
            self.pubsub,
            clock,
            bindings,
            self.evidence,
        )
        self.automations = Automations(
            state,
            self.job_logs,
            self.dispatch,
            self.concurrency_groups,
            self.fleet,
            self.pubsub,
            clock,
            core.vault,
            self.progress,
            self.outbox,
            self.step_up,
            bindings,
        )
        self.resumes = Resumes(state, self.automations, bindings, core.vault, clock)
        self.group_releases = GroupReleases(
            state, self.automations, self.concurrency_groups, self.pubsub, clock
        )

    def _build_starts(self, core: Core) -> None:
        """Build what starts automations without a person who triggers each."""
        clock, state, vault = core.clock, core.state, core.vault
        self.schedules = Schedules(state, self.automations, clock)
        self.schedule_starts = ScheduleStarts(state, self.automations, self.fleet, clock)

        self.triggers = Triggers(state, vault, self.step_up, self.urls, clock)
        self.hooks = Hooks(
            state, vault, self.automations, self.throttle, self.outbox, self.urls, clock
        )
        self.sample_calls = SampleCalls(state, vault, self.triggers, self.hooks, clock)

        bindings, fleet, pubsub = self.bindings, self.fleet, self.pubsub
        started = (state, self.automations, bindings, vault, fleet, pubsub, clock)
        self.chain_starts, self.call_starts = ChainStarts(*started), CallStarts(*started)
        self.fan_outs = FanOuts(*started, self.lease_service, self.outbox)

    def _build_views(self, core: Core) -> None:
        """Build what shows automations and what they leave behind, and removes that in the end."""
        clock, state = core.clock, core.state
        self.order_trails = OrderTrails(state, core.binding_key)
        self.target_automations = TargetAutomations(state, self.automations, clock)
        self.target_last_runs = TargetLastRunReader(state)
        self.live_streams = LiveStreams(self.automations, self.job_logs, self.pubsub, clock)
        self.artifacts = Artifacts(state, self.contents)
        self.files = Files(state, self.contents, self.job_artifacts, clock)

        self.logs = Logs(state, core.logs, self.job_logs, self.automations)
        self.log_retention = LogRetention(state, self.job_logs, clock)
        if quotas := self.job_logs.quotas:
            quotas.make_room = self.log_retention.make_room
        self.figures = Figures(state, self.fleet, self.outbox.ended)

    def _build_members(self, core: Core) -> None:
        """Build people and programs, and the orgs that they belong to."""
        clock, state, sessions, step_up = core.clock, core.state, self.sessions, self.step_up
        self.recovery = Recovery(state, sessions, step_up, self.urls, clock)
        self.forgotten_passwords = ForgottenPasswords(state, self.outbox, clock)
        self.users = Users(state, sessions, self.hasher, step_up, clock)

        links = InvitationLinks(self.urls, clock)
        self.invitations = Invitations(
            state,
            links,
            self.logins,
            self.hasher,
            self.throttle,
            step_up,
            InvitationMail(self.outbox),
            clock,
        )
        self.orgs = Orgs(state, links, step_up, self.fleet, clock)
        self.server_operations = ServerOperations(
            state, links, sessions, step_up, clock, self.status
        )

        self.org_operations = OrgOperations(
            state, step_up, self.job_logs, core.artifact_bounds, clock
        )
        self.org_status = OrgStatus(
            state, self.org_operations, self.automations, sessions, step_up, self.fleet, clock
        )
        self.announcements = Announcements(state, step_up, clock)
        self.org_removal = OrgRemoval(
            state,
            self.job_logs,
            self.contents,
            self.workers,
            self.lease_store,
            sessions,
            clock,
        )

        self.roles = Roles(state, sessions, step_up, clock)
        self.groups = Groups(state, sessions, step_up, clock)
        self.permission_checks = PermissionChecks(state)
        self.service_accounts = ServiceAccounts(state, sessions, step_up, clock)
        self.tokens = ApiTokens(state, sessions, step_up, clock)

    def _build_channels(self, core: Core) -> None:
        """Build the ways out to people, and back in with what they decide."""
        clock, state, vault, bounds = core.clock, core.state, core.vault, core.egress_bounds
        self.sender = DeliverySender(state, vault, bounds, self.urls, clock)
        self.delivery = DeliveryLoop(self.sender)
        asked = self.approvals
        self.chats = Chats(
            state, self.step_up, self.throttle, clock, asked.decide, asked.find_pause
        )
        parts = InboxParts(state, vault, bounds, self.chats, clock)
        self.inboxes = {kind.name: kind.inbox(parts) for kind in KINDS if kind.inbox}
        self.chat_listeners = ChatListeners(*self.inboxes.values())

        self.channel_services = ChannelServices(
            Channels(state, vault, bounds, self.outbox, self.step_up, clock),
            Deliveries(state, clock),
            Preferences(state),
            self.chats,
        )

    def close(self) -> None:
        """End what has threads or greenlets of its own."""
        for forwarder in self.forwarders:
            forwarder.close()
        if self.replica:
            self.replica.close()
        self.chat_listeners.close()
        self.delivery.close()
        self.hasher.close()
        self.org_removal.close()
        self.job_logs.close()
        self.contents.close()

    @cached_property
    def loop_lag(self) -> LoopLag:
        """How long the event loop was held up."""
        return LoopLag()
