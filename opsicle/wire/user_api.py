"""Messages between browsers, the command line or other programs and the server, as JSON.

Requests are named for what they ask (`RunRequest`), replies for what they show (`Automation`).
Times are RFC 3339 in UTC. Lists come in pages: `{"items": […], "next_cursor": "…"}`, where an empty
cursor means the end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsicle.domain.automations import AutomationState, JobState
from opsicle.domain.bounds import (
    Email,
    GivenValues,
    Moment,
    Name,
    Password,
    Reason,
    Rules,
    Token,
    Word,
)
from opsicle.domain.templates import DEFAULT_PRIORITY, Value, Variable
from opsicle.wire.announcement_api import Announcement
from opsicle.wire.artifact_api import Artifact, MissingArtifact
from opsicle.wire.display_api import Display
from opsicle.wire.file_api import AutomationFile
from opsicle.wire.jobs import Int32
from opsicle.wire.phase_api import PhaseRun, PhaseState
from opsicle.wire.starts import AutomationTarget, ChainedStart, LaterRun, StartedBy


class Health(msgspec.Struct, omit_defaults=True):
    """Whether the server lives (`/healthz`) or takes requests (`/readyz`).

    `remarks` is what is not as it should be.
    """

    status: Literal["ok", "starting", "draining"]
    remarks: list[str] = []


# People and sessions


class SetupRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Creates the first org and its admin; `token` is the one-time setup token."""

    token: Token
    org: Word
    email: Email
    password: Password


class LoginRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Begins a session.

    `kind`: whether a cookie or a token comes back; `totp`: a code of the authenticator app, if it
    is asked for.
    """

    email: Email
    password: Password
    kind: Literal["browser", "cli"] = "cli"
    org: Word = ""
    totp: Word = ""


class Person(msgspec.Struct):
    """A user, as far as others in the org see them."""

    id: str
    email: str
    name: str


class OrgRef(msgspec.Struct):
    """An org by its code."""

    code: str
    name: str


class Me(msgspec.Struct, kw_only=True):
    """Who is logged in. A browser sends `csrf_token` back in `Opsicle-CSRF` with every change.

    `remarks` is that their org is suspended, if it is, and for server operators what is not as it
    should be on the server. `announcements` are what those who run it tell their org just now.
    """

    user: Person
    org: OrgRef
    role: str
    permissions: list[str]
    csrf_token: str = ""
    server_version: str = ""
    remarks: list[str] = []
    announcements: list[Announcement] = []
    display: Display = msgspec.field(default_factory=Display)


class LoginReply(msgspec.Struct, kw_only=True):
    """The new session. `token` is empty for a browser, which gets a cookie."""

    me: Me
    token: str = ""
    expires_at: datetime


class User(msgspec.Struct, kw_only=True):
    """A person of the org, or a service account with its `owner`.

    `rules` are their own, beside those of the role. `is_manager_disabled`: their manager is shut
    out just now, and decides nothing. `leaves_stuck`, in the answer to a change: the templates of
    approvals that nobody can give since.
    """

    id: str
    email: str
    name: str
    role: str
    rules: list[str] = []
    manager: str | None = None
    owner: str | None = None
    is_manager_disabled: bool = False
    is_disabled: bool = False
    leaves_stuck: list[str] = []
    created_at: datetime


class CreateUserRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Adds a person to the org; `manager` is an e-mail address."""

    email: Email
    password: Password
    role: Word
    name: Name = ""
    manager: Email | None = None


class UpdateUserRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes a person. Only what is given changes; `rules` take the place of those before."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    role: Word | msgspec.UnsetType = msgspec.UNSET
    manager: Email | msgspec.UnsetType | None = msgspec.UNSET
    rules: Rules | msgspec.UnsetType = msgspec.UNSET
    is_disabled: bool | msgspec.UnsetType = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET


class ApiToken(msgspec.Struct, kw_only=True):
    """A token for programs, never with its secret part.

    `scopes` None: it may all that its holder may.
    """

    id: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    scopes: list[str] | None = None


class CreateApiTokenRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a token for a program.

    `expires_in_days` None: never; `scopes`, as in `execute templates`, None: all that its holder
    may. `account` is one of one's service accounts, if the token is to act for that.
    """

    name: Name
    expires_in_days: Int32 | None = 90
    scopes: Rules | None = None
    account: Email = ""


class NewApiToken(msgspec.Struct, kw_only=True):
    """The only time the token itself is shown."""

    token: str
    details: ApiToken


# Automations


class RunRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Triggers an automation; `version` None means the newest.

    `draft` is the id of a draft of this template, which is tried in place of a version. `worker` is
    the name or id of the only worker that may take it, "" for any that fits. It begins at
    `start_at` at the earliest, None: as soon as it may.
    """

    template: Word
    version: Int32 | None = None
    values: GivenValues = {}
    reason: Reason = ""
    worker: Word = ""
    start_at: Moment | None = None
    draft: Word = ""


class WorkerRef(msgspec.Struct):
    """A worker by name."""

    id: str
    name: str


class Job(msgspec.Struct, kw_only=True):
    """One attempt on one worker, which keeps its workspace until `workspace_kept_until`.

    `is_plan`: it carried out the plan.
    """

    id: str
    fence: int
    state: JobState
    worker: WorkerRef
    leased_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    explanation: str = ""
    workspace_kept_until: datetime | None = None
    is_plan: bool = False


class AutomationSummary(msgspec.Struct, kw_only=True):
    """An automation in a list. `waiting_reason` says why one that waits does not run yet.

    `pause_id` is the approval that is asked in its midst while it is paused. `resumed_from` is the
    automation that it goes on from. `target`: it is the part of another one on this machine.
    `start_at`: it was planned to begin then at the earliest.
    """

    id: str
    state: AutomationState
    template: str
    version: int
    requester: Person
    worker: WorkerRef | None = None
    reason: str = ""
    rerun_of: str | None = None
    resumed_from: str | None = None
    started_by: StartedBy
    target: str = ""
    approval_id: str | None = None
    pause_id: str | None = None
    exit_code: int | None = None
    explanation: str = ""
    waiting_reason: str = ""
    is_cancel_requested: bool = False
    created_at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    start_at: datetime | None = None


class ListedAutomation(AutomationSummary, kw_only=True):
    """An automation in a list of the newest, with how far its phases are.

    `phases` is empty until a worker has it, and of one that has more than 40.
    """

    phases: list[PhaseState] = []


class Automation(AutomationSummary, kw_only=True):
    """An automation whole.

    What it was given: `labels` are its template's, `files` those among its values, `targets` its
    machines, `only_worker` the one that was chosen for it, if any. `draft` is the id of the draft
    that it tried, whose version is 0; "" if it runs what was pushed. `concurrency_group` is its
    group with the values by which that is told from others, `concurrency_limit` how many of it run
    at once. `is_group_held`: nobody can say how it ended, and it holds its group until it is
    released.

    What came of it: `plan` are the phases that ran before anybody was asked. `log_bytes` is the
    length of the newest job's log so far, `log_remark` says what of that was lost; "" if nothing
    was. `outputs` are what the newest job's phases have handed on, by name, `summary` is what they
    say of it in Markdown; both are masked as the log is. `artifacts` are the files that the newest
    job left behind, `artifacts_missing` those of which nothing is kept.

    Others: `chained_starts` are what it starts once it has ended, `depth` how far below what
    somebody has started it is, `resumed_by` and `rerun_by` the newest that go on from it, or repeat
    it.
    """

    display_name: str = ""
    labels: dict[str, str] = {}
    values: dict[str, Value]
    variables: list[Variable]
    runs_on: dict[str, str]
    runs_on_where: str = ""
    priority: int = DEFAULT_PRIORITY
    concurrency_group: str | None = None
    concurrency_limit: int | None = None
    is_group_held: bool = False
    phases: list[PhaseRun]
    plan: list[PhaseRun] = []
    jobs: list[Job]
    log_bytes: int = 0
    log_remark: str = ""
    artifacts: list[Artifact] = []
    artifacts_missing: list[MissingArtifact] = []
    files: list[AutomationFile] = []
    outputs: dict[str, str] = {}
    summary: str = ""
    chained_starts: list[ChainedStart] = []
    depth: int = 0
    targets: list[AutomationTarget] = []
    only_worker: str = ""
    resumed_by: list[LaterRun] = []
    rerun_by: list[LaterRun] = []
    draft: str = ""
