"""What a template is once it has been read: plain values, checked, without a trace of YAML.

`domain/template_parser.py` makes these from a document; the store keeps them as JSON; the worker
gets `Phase`s. Field names are the document's in snake_case. See the template reference for what
each one means.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain import values
from opsicle.domain.automations import AutomationState, WorkerLost
from opsicle.domain.calls import Call
from opsicle.domain.fan_outs import FanOut
from opsicle.domain.policies import Chat, Gate, PolicyUse

DEFAULT_PHASE_TIMEOUT_SECONDS = 60
DEFAULT_PRIORITY = 5
DEFAULT_SHELL = "/bin/sh"

DRAFT = 0
"""The version of what an automation runs that was only ever tried; pushed ones begin at 1."""


class VariableType(StrEnum):
    """The types a variable can have; `number` is an integer."""

    STRING = "string"
    BOOL = "bool"
    NUMBER = "number"
    FLOAT = "float"
    ENUM = "enum"
    SECRET = "secret"
    TEXT = "text"
    DATE = "date"
    FILE = "file"


Scalar = values.Scalar
Value = values.Value


class Variable(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One typed input that a template asks for."""

    id: str
    type: VariableType = VariableType.STRING
    label: str = ""
    description: str = ""
    default: Value | None = None
    is_required: bool = False
    options: tuple[Scalar, ...] = ()
    pattern: str = ""
    min: int | float | None = None
    max: int | float | None = None
    multiple: bool = False


class When(StrEnum):
    """In which case a phase runs: all before it went well, one failed, or either."""

    SUCCESS = "success"
    FAILURE = "failure"
    ALWAYS = "always"


class Retries(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often a failed phase is tried again, and the seconds between the tries.

    Each delay is `backoff` times the one before. `retry_on` are exit codes; none: whatever failed.
    `delay` has no default: it was always written, and the digests of stored templates cover that.
    """

    limit: int
    delay: int
    backoff: float = 1.0
    retry_on: tuple[int, ...] = ()


class VolumeMount(msgspec.Struct, frozen=True):
    """A folder of the worker's host that a container sees."""

    host: str
    container: str


class Pull(StrEnum):
    """When a worker fetches an image: if it has none, before every try, or not at all."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


class ResourceLimits(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The most that a phase may use; None: no limit of its own.

    `memory_mib` and `processes` are for all that it starts together, `cpu_seconds` for each process
    and `file_mib` for each file that one writes. `nice` is how far they stand back behind others
    that want the processor, 1 to 19.
    """

    cpu_seconds: int | None = None
    memory_mib: int | None = None
    processes: int | None = None
    file_mib: int | None = None
    nice: int | None = None


class SlurmOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a phase asks of Slurm; None: what its cluster, or its worker, has as the default.

    `time` is in seconds, from when Slurm has begun it; `memory_mib` and `cpus` are reserved.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: int | None = None
    cpus: int | None = None
    memory_mib: int | None = None


class KubernetesOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a phase asks of Kubernetes; None: what the namespace has as the default.

    `cpu_millis` is reserved, in thousandths of a processor; of `memory_mib` it gets no more.
    """

    service_account: str | None = None
    cpu_millis: int | None = None
    memory_mib: int | None = None


class OnFailure(StrEnum):
    """What a failed phase does to its job: end it, or ask people what is to become of it."""

    FAIL = "fail"
    ASK = "ask"


class Pause(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A question to people in the midst of a job, which goes on once they have passed the gate.

    `variables` are what they are asked for; later phases get the values.
    """

    message: str
    gate: Gate
    variables: tuple[Variable, ...] = ()


class Phase(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A named group of commands, run in order in one shell. `timeout` is in seconds.

    One with a `pause` has no commands; nor has one that calls other templates, side by side, and
    waits for them.

    `network`, `pull`, `user` (a number, or two: user and group) and `read_only` are about its
    container, and have their defaults where it has no image. `artifacts` are patterns of the files
    that are kept once it has ended. With `slurm` it is a job of Slurm, with `kubernetes` a pod.
    """

    name: str
    commands: tuple[str, ...]
    image: str | None = None
    timeout: int = DEFAULT_PHASE_TIMEOUT_SECONDS
    env: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    working_directory: str | None = None
    when: When = When.SUCCESS
    retries: Retries | None = None
    shell: str = DEFAULT_SHELL
    outputs: tuple[str, ...] = ()
    network: bool = False
    pull: Pull = Pull.MISSING
    user: str | None = None
    read_only: bool = False
    limits: ResourceLimits | None = None
    pause: Pause | None = None
    on_failure: OnFailure = OnFailure.FAIL
    artifacts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    slurm: SlurmOptions | None = None
    kubernetes: KubernetesOptions | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it runs nothing itself, but waits for people or for what it calls."""
        return self.pause is not None or bool(self.calls)


def default_limit(phase: Phase) -> str:
    """Return what to say of a phase's time limit where that is the default.

    That it is, and what allows more; else "".
    """
    if phase.timeout != DEFAULT_PHASE_TIMEOUT_SECONDS:
        return ""
    return f"the default; `timeout: {5 * DEFAULT_PHASE_TIMEOUT_SECONDS}` in the phase allows more"


class OnLimit(StrEnum):
    """What happens to an automation whose concurrency group is full."""

    QUEUE = "queue"
    REJECT = "reject"
    REPLACE = "replace"


class Concurrency(msgspec.Struct, frozen=True):
    """At most `limit` automations of `group` run at once in the org.

    There is such a group for each combination of values of the variables in `by`.
    """

    group: str
    limit: int = 1
    on_limit: OnLimit = OnLimit.QUEUE
    by: tuple[str, ...] = ()


class Notify(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who is told, beside the requester, when an automation ends in one of `states`.

    Without any, however it ends.

    `users` are e-mail addresses; `chats` are rooms.
    """

    states: tuple[AutomationState, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    chats: tuple[Chat, ...] = ()


class Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person to ask about a template."""

    name: str = ""
    email: str = ""


class Template(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A runbook. `timeout` is in seconds for the whole automation, None: only the phases' own.

    Without an `approval_policy` approval is asked where a policy of the org applies by itself. One
    that names nothing can never be satisfied. `runs_on` are labels that its worker must have been
    granted; with `accepts_claimed` it is enough that a worker says them of itself; `runs_on_where`
    is an expression over them, in its one spelling. `require_mfa`: whoever runs it shows a fresh
    code of their authenticator app. `priority`, from 0 to 9: the highest is handed out first.
    `max_waiting`: no more than that wait; None: any number. `on_success` and `on_failure` are what
    it starts once it has ended so. `keep_workspace`: for how many seconds a worker keeps the
    workspace of a job that did not go well; None: it does not. `fan_out`: it runs on several
    machines, each of the workers that `runs_on` and `runs_on_where` fit.
    """

    name: str
    phases: tuple[Phase, ...]
    labels: dict[str, str] = {}
    display_name: str = ""
    description: str = ""
    owners: tuple[Owner, ...] = ()
    approval_policy: PolicyUse | None = None
    require_mfa: bool = False
    notify: tuple[Notify, ...] = ()
    variables: tuple[Variable, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    runs_on: dict[str, str] = {}
    timeout: int | None = None
    concurrency: Concurrency | None = None
    on_worker_lost: WorkerLost = WorkerLost.UNKNOWN
    plan: tuple[Phase, ...] = ()
    accepts_claimed: bool = False
    runs_on_where: str = ""
    priority: int = DEFAULT_PRIORITY
    max_waiting: int | None = None
    on_success: tuple[Call, ...] = ()
    on_failure: tuple[Call, ...] = ()
    keep_workspace: int | None = None
    fan_out: FanOut | None = None

    @property
    def guaranteed_labels(self) -> dict[str, str]:
        """The labels that its worker is sure to have: none where the worker's claim is enough.

        An expression makes none certain, so that no policy is escaped by one.
        """
        return {} if self.accepts_claimed else self.runs_on
