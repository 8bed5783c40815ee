"""The services around automations on a real database, with people, a template and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import gevent
import msgspec

from opsicle.domain.access import BuiltInRole
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS
from opsicle.domain.rights import rights_of_role
from opsicle.domain.template_parser import parse_template
from opsicle.domain.templates import Template
from opsicle.kit.ids import new_id
from opsicle.security.audit_key import AuditKey
from opsicle.security.authority import Authority
from opsicle.security.binding_key import BindingKey
from opsicle.security.master_key import MasterKey
from opsicle.security.order_key import OrderKey
from opsicle.security.sealing import Seal
from opsicle.server import assembly
from opsicle.server import core as server_core
from opsicle.server.access.actor import Actor, WorkerActor
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.forwarding.options import ForwardingOptions
from opsicle.server.keys.vault import Vault
from opsicle.server.store import documents, memberships, orgs, users, workers
from opsicle.server.store.log_database import LogDatabase
from opsicle.server.store.migrations import LOG_MIGRATIONS
from opsicle.wire.jobs import Outcome, PhaseReport, StepState, Work
from opsicle.wire.user_api import Automation, RunRequest
from opsicle.wire.worker_api import (
    FinishReply,
    FinishRequest,
    PauseRequest,
    PollReply,
    PollRequest,
    RefuseRequest,
    RunningJob,
)
from tests.services.clocks import ManualClock
from tests.services.databases import begin_empty, open_database, raise_fatal

HELLO = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: hello}
spec:
  variables: [{id: who, type: string, default: world}]
  template:
    phases: [{name: greet, commands: ["echo hello \\"$OPSICLE_VAR_WHO\\""]}]
"""


@cache
def _authority(now: datetime) -> Authority:
    """Return an authority that was made then; kept, because most tests begin at the same time."""
    return Authority.create(now)


@cache
def _parsed(source: str) -> Template:
    """Return a template; kept, because hundreds of tests begin with the same."""
    return parse_template(source.encode())


@dataclass
class Core:
    """Everything built as the server builds it, save for sockets.

    `restart` is a server that comes back.
    """

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    vault: Vault = field(default_factory=lambda: Vault(MasterKey.create()))
    order_key: OrderKey = field(default_factory=OrderKey.create)
    binding_key: BindingKey = field(default_factory=BindingKey.create)
    forwarding: ForwardingOptions = field(default_factory=ForwardingOptions)

    def __post_init__(self) -> None:
        self.database = open_database(self.folder, "opsicle.db", "migrations")

        remarks = ServerRemarks(self.database, self.clock)
        begin_empty(self.folder / "logs.db", LOG_MIGRATIONS)
        self.logs_database = LogDatabase.open(
            self.folder / "logs.db", raise_fatal, self.clock.now, remarks.note_lost_logs
        )

        core = server_core.Core(
            self.database,
            self.logs_database,
            _authority(self.clock.now()),
            AuditKey.create(),
            self.order_key,
            self.binding_key,
            self.clock,
            Seal(b"s" * 32),
            self.vault,
            remarks,
            self.folder / "artifacts",
            forwarding=self.forwarding,
        )

        services = self.services = assembly.Services(core)
        self.bindings = services.bindings
        self.fleet = services.fleet
        self.lease_store = services.lease_store
        self.pubsub = services.pubsub
        self.live_streams = services.live_streams
        self.apps = services.apps
        self.step_up = services.step_up
        self.policies = services.policies
        self.job_logs = services.job_logs
        self.jobs = services.jobs
        self.dispatch = services.dispatch
        self.automations = services.automations
        self.approvals = services.approvals

        services.log_tails.recover()
        self.jobs.recover()

    def restart(self) -> Core:
        self.close()
        return Core(
            self.folder,
            self.clock,
            self.vault,
            self.order_key,
            self.binding_key,
            self.forwarding,
        )

    def close(self) -> None:
        self.dispatch.close()
        self.services.close()
        self.database.close()
        self.logs_database.close()

    def org(self, code: str) -> str:
        org_id = new_id(self.clock.now())
        self.database.write(
            lambda db: orgs.insert(db, orgs.OrgRow(org_id, code, code), self.clock.now())
        )
        return org_id

    def person(self, org_id: str, name: str, role: BuiltInRole) -> Actor:
        return self.persons(org_id, {name: role})[name]

    def persons(self, org_id: str, roles: Mapping[str, BuiltInRole]) -> dict[str, Actor]:
        """Add people to an org by their names, all at once; return each as who calls."""
        now = self.clock.now()
        actors = {}
        for name, role in roles.items():
            actors[name] = Actor(
                new_id(now),
                f"{name}@example.com",
                name,
                org_id,
                "org",
                role,
                "cli",
                "127.0.0.1",
                rights=rights_of_role(role),
            )

        def work(db):
            for name, actor in actors.items():
                user = users.UserRow(actor.user_id, actor.email, name, "-")
                users.insert(db, user, now)
                role = roles[name]
                member = memberships.MemberRow(
                    user.id, user.email, name, role, None, None, False, now
                )
                memberships.insert(db, org_id, member)

        self.database.write(work)
        return actors

    def push(self, actor: Actor, source: str = HELLO) -> Template:
        template = _parsed(source)
        now, template_id = self.clock.now(), new_id(self.clock.now())
        document, kind = msgspec.json.encode(template).decode(), documents.DocumentKind.TEMPLATE
        version = documents.NewVersionRow(template_id, 1, "-", source, document, actor.user_id, now)

        def work(db):
            documents.insert(db, kind, actor.org_id, template_id, template.name, now)
            documents.insert_version(db, kind, actor.org_id, version)
            documents.advance(db, kind, template_id, 1, now)

        self.database.write(work)
        return template

    def push_again(self, actor: Actor, source: str) -> None:
        """Push the next version of a template, through the service."""
        self.services.templates.push(actor, source)

    def allow_shared(self, org_id: str, allows: bool = True) -> None:
        """Let shared workers serve an org, or no longer, as the orgs' service does."""
        self.database.write(lambda db: orgs.allow_shared_workers(db, org_id, allows))
        self.fleet.sharing_changed(org_id, allows)

    def shared_worker(
        self, home_org_id: str, name: str, slots: int = 1, **labels: str
    ) -> TestWorker:
        """Return a shared worker; the org from where it was enrolled is to mean nothing."""
        made = self.worker(home_org_id, name, slots, **labels)
        worker_id = made.actor.worker_id
        self.database.write(
            lambda db: db.execute("UPDATE workers SET is_shared = 1 WHERE id = ?", (worker_id,))
        )
        made.actor = WorkerActor(worker_id, name, "", "127.0.0.1", is_shared=True)
        return made

    def worker(self, org_id: str, name: str, slots: int = 1, **labels: str) -> TestWorker:
        now, worker_id = self.clock.now(), new_id(self.clock.now())
        new = workers.NewWorker(
            id=worker_id,
            org_id=org_id,
            name=name,
            labels=labels,
            granted_labels=labels,
            slots=slots,
            certificate_serial="1",
            certificate_expires_at=now,
        )

        self.database.write(lambda db: workers.insert(db, new, now))
        return TestWorker(self, WorkerActor(worker_id, name, org_id, "127.0.0.1"), slots, labels)

    def run(self, actor: Actor, template: str = "hello", **values: object) -> Automation:
        return self.automations.create(actor, RunRequest(template=template, values=values))

    def state(self, actor: Actor, automation: Automation) -> str:
        return self.automations.get(actor, automation.id).state


@dataclass
class TestWorker:
    """Speaks for a worker. `held` is what it would list in its next poll."""

    __test__ = False

    core: Core
    actor: WorkerActor
    slots: int
    labels: dict[str, str]
    held: dict[str, Work] = field(default_factory=dict)
    paused: dict[str, Work] = field(default_factory=dict)
    boot_id: str = "boot-1"
    runtimes: tuple[str, ...] = ("subprocess",)
    is_draining: bool = False
    clock_offset: float | None = 0.0
    granted: dict[str, str] = field(default_factory=dict)
    formats: tuple[int, ...] = SUPPORTED_FORMATS

    def poll(self, wait_seconds: int = 0) -> PollReply:
        """Return what the server answers; the work in it counts as received."""
        reply = self.core.dispatch.poll(self.actor, self.request(wait_seconds))
        self.held.update({work.job_id: work for work in reply.work})
        self.granted = self.granted if reply.granted is None else reply.granted
        return reply

    def another_process(self, boot_id: str, address: str = "127.0.0.1") -> TestWorker:
        """Return another process with this worker's identity, whether this one goes on or not."""
        actor = WorkerActor(
            self.actor.worker_id, self.actor.name, self.actor.org_id, address, self.actor.is_shared
        )
        return TestWorker(self.core, actor, self.slots, self.labels, boot_id=boot_id)

    def poll_in_background(self, wait_seconds: int = 30) -> gevent.Greenlet:
        """Return a poll that is held open meanwhile."""
        greenlet = gevent.spawn(self.poll, wait_seconds)
        while self.core.fleet.find(self.actor.worker_id) is None or not self._is_waiting():
            gevent.sleep(0)
            if greenlet.ready():
                break
        return greenlet

    def _is_waiting(self) -> bool:
        return is_held(self.core, self.actor.worker_id)

    def request(self, wait_seconds: int) -> PollRequest:
        return PollRequest(
            boot_id=self.boot_id,
            program_version="0",
            labels=self.labels,
            slots=self.slots,
            free_slots=self.slots - len(self.held),
            runtimes=self.runtimes,
            jobs=tuple(RunningJob(work.job_id, work.fence) for work in self.held.values()),
            paused=tuple(
                RunningJob(work.job_id, work.fence)
                for work in self.paused.values()
                if work.job_id not in self.held
            ),
            is_draining=self.is_draining,
            granted=self.granted,
            sent_at_ms=None if self.clock_offset is None else self._now_ms(),
            wait_seconds=wait_seconds,
            formats=self.formats,
        )

    def _now_ms(self) -> int:
        return int((self.core.clock.now().timestamp() + (self.clock_offset or 0.0)) * 1000)

    def refuse_for_its_time(self, work: Work) -> None:
        """Refuse work as a worker does whose clock was set while its poll was open."""
        request = RefuseRequest(
            work.fence, "its order expired", is_untimely=True, sent_at_ms=self._now_ms()
        )
        self.core.jobs.refuse(self.actor, work.job_id, request)
        self.held.pop(work.job_id, None)

    def refuse_for_room(self, work: Work) -> None:
        """Give work back as a worker does whose disk does not take its files."""
        reason = "its disk does not take the files: full"
        request = RefuseRequest(work.fence, reason, lacks_room=True)
        self.core.jobs.refuse(self.actor, work.job_id, request)
        self.held.pop(work.job_id, None)

    def pause(self, work: Work, phase: int, *done: str) -> str:
        """Say that a job waits at a phase, those before it having gone as `done` says."""
        states = [*done, *["succeeded"] * phase][:phase]
        reports = tuple(
            PhaseReport(name=each.name, state=StepState(states[i]) if i < phase else "pending")
            for i, each in enumerate(work.phases)
        )
        return self.pause_with(work, phase, reports)

    def pause_with(self, work: Work, phase: int, reports: tuple[PhaseReport, ...]) -> str:
        request = PauseRequest(fence=work.fence, phase=phase, phases=reports, log_bytes=0)
        state = self.core.jobs.pause(self.actor, work.job_id, request).state
        self.held.pop(work.job_id, None)
        self.paused[work.job_id] = work
        return state

    def start(self, work: Work) -> None:
        self.core.jobs.start(self.actor, work.job_id, work.fence)

    def finish_for_more(self, work: Work) -> FinishReply:
        """End a job well and take what the answer brings."""
        outcome = Outcome(state="succeeded", phases=(), exit_code=0)
        request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0, is_slot_free=True)
        reply = self.core.jobs.finish(self.actor, work.job_id, request)
        self.held.pop(work.job_id, None)
        self.held.update({more.job_id: more for more in reply.work})
        return reply

    def finish(self, work: Work, state: str = "succeeded", exit_code: int | None = 0) -> str:
        request = FinishRequest(
            fence=work.fence,
            outcome=Outcome(state=state, phases=(), exit_code=exit_code),
            log_bytes=0,
            boot_id=self.boot_id,
        )
        done = self.core.jobs.finish(self.actor, work.job_id, request)
        self.held.pop(work.job_id, None)
        return done.state


def is_held(core: Core, worker_id: str) -> bool:
    """Return whether a poll of this worker is open and waits to be woken."""
    presence = core.fleet.find(worker_id)
    return presence is not None and any(watch.is_waiting for watch in presence.open_polls.values())
