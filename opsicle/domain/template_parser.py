"""Documents → checked structs: the one way by which a template enters the system.

Every mistake of a document is found in one go. What parses here can be run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from opsicle.domain.automations import WorkerLost
from opsicle.domain.bound_targets import unfit_for_target, unfit_mount_for_target
from opsicle.domain.call_parser import check_calls, parse_chained
from opsicle.domain.conditions import findings
from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.fan_outs import FanOutKind
from opsicle.domain.label_parser import MAX_LABELS
from opsicle.domain.names import LABEL_KEY, LABEL_KEY_RULE, TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.notify_parser import parse_notify
from opsicle.domain.pause_parser import check_asked_variables
from opsicle.domain.phase_parser import MAX_TIMEOUT_SECONDS, parse_phases, parse_volume_mounts
from opsicle.domain.policy_parser import (
    POLICY_TYPE,
    REQUEST_TYPE,
    PolicyDocument,
    RequestDocument,
    policy_use,
    read_policy,
    read_request,
)
from opsicle.domain.problems import Problems, did_you_mean, listed, quoted
from opsicle.domain.queue_parser import MAX_WAITING, parse_concurrency, parse_priority
from opsicle.domain.runs_on_parser import parse_runs_on
from opsicle.domain.schedule_parser import SCHEDULE_TYPE, read_schedule
from opsicle.domain.schedules import Schedule
from opsicle.domain.secrets import named_secrets
from opsicle.domain.target_parser import TARGET_TYPE, read_target
from opsicle.domain.targets import Target
from opsicle.domain.templates import (
    OnFailure,
    Owner,
    Phase,
    Template,
    VariableType,
    VolumeMount,
)
from opsicle.domain.trigger_parser import TRIGGER_TYPE, read_trigger
from opsicle.domain.triggers import Trigger
from opsicle.domain.variable_parser import parse_variables
from opsicle.domain.yaml_documents import Kind, load

TEMPLATE_TYPE = "AutomationTemplate"
AUTOMATION_TYPE = "Automation"

MAX_OWNERS = 50


class AutomationDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file of `type: Automation`: phases to run as they stand, without variables.

    Its `status` is not read.
    """

    name: str
    phases: tuple[Phase, ...]
    labels: dict[str, str] = {}
    volume_mounts: tuple[VolumeMount, ...] = ()


Document = (
    Template | AutomationDocument | PolicyDocument | RequestDocument | Schedule | Trigger | Target
)


def parse_document(source: bytes) -> Document:
    """Return what a file holds, of whatever type. Raises InvalidInput with every mistake."""
    return _parse(source, _READERS)


def parse_policy(source: bytes) -> PolicyDocument:
    """Return the approval policy that a file holds. Raises InvalidInput with every mistake."""
    document = _parse(source, {POLICY_TYPE: read_policy})
    assert isinstance(document, PolicyDocument)
    return document


def parse_schedule(source: bytes) -> Schedule:
    """Return the schedule that a file holds. Raises InvalidInput with every mistake."""
    document = _parse(source, {SCHEDULE_TYPE: read_schedule})
    assert isinstance(document, Schedule)
    return document


def parse_trigger(source: bytes) -> Trigger:
    """Return the trigger that a file holds. Raises InvalidInput with every mistake."""
    document = _parse(source, {TRIGGER_TYPE: read_trigger})
    assert isinstance(document, Trigger)
    return document


def parse_target(source: bytes) -> Target:
    """Return the target that a file holds. Raises InvalidInput with every mistake."""
    document = _parse(source, {TARGET_TYPE: read_target})
    assert isinstance(document, Target)
    return document


def parse_template(source: bytes) -> Template:
    """Return the template that a file holds. Raises InvalidInput with every mistake."""
    document = _parse(source, {TEMPLATE_TYPE: _template})
    assert isinstance(document, Template)
    return document


def digest(template: Template) -> str:
    """Return `sha256:…` over what the template says.

    So comments and layout make no new version.
    """
    return "sha256:" + hashlib.sha256(msgspec.json.encode(template, order="sorted")).hexdigest()


_Reader = Callable[[str, dict[str, str], Fields], Document]


def _parse(source: bytes, readers: dict[str, _Reader]) -> Document:
    """Read the header, then let the reader of the document's type read its `spec`."""
    problems = Problems()
    root = DocumentNode(load(source, problems), "", problems)
    fields = root.mapping()
    document: Document | None = None
    if root.node.kind is Kind.MAPPING:
        _check_version(fields)
        type_name = _type(fields, tuple(readers))
        name, labels = _metadata(fields)
        spec = fields.mapping("spec", is_required=True)
        fields.end()
        if type_name and spec:
            document = readers[type_name](name, labels, spec)

    problems.raise_if_any("the document")
    assert document is not None
    return document


def _check_version(fields: Fields) -> None:
    place = fields.find("apiVersion", is_required=True)
    text = place.text() if place else None
    if place and text is not None and text != "v1":
        place.add(f"must be `v1`, not {quoted(text)}")


def _type(fields: Fields, wanted: tuple[str, ...]) -> str:
    place = fields.find("type", is_required=True)
    type_name = place.text() if place else None
    if place is None or type_name is None:
        return ""
    if type_name in wanted:
        return type_name

    known = tuple(_READERS)
    if type_name in known:
        article = "an" if type_name.startswith("A") else "a"
        place.add(f"this is {article} {quoted(type_name)}; wanted here: {listed(wanted)}")
    else:
        place.add(
            f"{quoted(type_name)} is not a known type{did_you_mean(type_name, known)}; "
            f"it must be {listed(wanted)}"
        )
    return ""


def _metadata(fields: Fields) -> tuple[str, dict[str, str]]:
    metadata = fields.mapping("metadata", is_required=True)
    if metadata is None:
        return "", {}
    name = metadata.name("name", TEMPLATE_NAME, TEMPLATE_NAME_RULE)
    labels = _labels(metadata)
    metadata.end()
    return name, labels


def _labels(metadata: Fields) -> dict[str, str]:
    labels: dict[str, str] = {}
    for key, place in metadata.entries("labels", MAX_LABELS):
        if not LABEL_KEY.fullmatch(key):
            place.add(f"{quoted(key)} is no label: {LABEL_KEY_RULE}")
        text = place.line_of_text(1_000)
        if text is not None:
            labels[key] = text
    return labels


def _automation(name: str, labels: dict[str, str], spec: Fields) -> AutomationDocument:
    spec.find("status")
    document = AutomationDocument(
        name=name, labels=labels, phases=parse_phases(spec), volume_mounts=parse_volume_mounts(spec)
    )
    spec.end()
    return document


def _template(name: str, labels: dict[str, str], spec: Fields) -> Template:
    about = spec.mapping("metadata")
    body = spec.mapping("template", is_required=True)
    runs_on = parse_runs_on(spec)
    variables = parse_variables(spec)
    phases = parse_phases(body) if body else ()

    template = Template(
        name=name,
        labels=labels,
        display_name=about.line("displayName", 200) if about else "",
        description=about.text("description", 10_000) if about else "",
        owners=_owners(about) if about else (),
        approval_policy=policy_use(spec),
        require_mfa=spec.boolean("requireMfa"),
        notify=parse_notify(spec),
        variables=variables,
        phases=phases,
        volume_mounts=parse_volume_mounts(body) if body else (),
        runs_on=runs_on.labels,
        runs_on_where=runs_on.where,
        accepts_claimed=runs_on.accepts_claimed,
        fan_out=runs_on.fan_out,
        timeout=_timeout(spec),
        priority=parse_priority(spec),
        concurrency=parse_concurrency(spec, variables),
        max_waiting=spec.integer("maxWaiting", 0, 1, MAX_WAITING) or None,
        keep_workspace=spec.integer("keepWorkspace", 0, 1, MAX_TIMEOUT_SECONDS) or None,
        on_worker_lost=spec.choice("onWorkerLost", WorkerLost.UNKNOWN),
        plan=parse_phases(spec, "plan", is_required=False),
        on_success=parse_chained(spec, "onSuccess", variables, phases),
        on_failure=parse_chained(spec, "onFailure", variables, phases),
    )

    _check_plan_names(spec, template)
    _check_pauses(spec, template)
    check_calls(spec, template)
    _check_claimed_labels(spec, template)
    _check_targets(spec, template)
    _check_conditions(spec, template)

    for fields in (about, body, spec):
        if fields:
            fields.end()
    return template


def _owners(about: Fields) -> tuple[Owner, ...]:
    owners = []
    for place in about.items("owners", MAX_OWNERS):
        fields = place.mapping()
        owner = Owner(name=fields.line("name", 200), email=fields.line("email", 254))
        fields.end()
        if not owner.name and not owner.email:
            place.add("needs a `name` or an `email`")
        owners.append(owner)
    return tuple(owners)


def _timeout(spec: Fields) -> int | None:
    return spec.integer("timeout", 0, 1, MAX_TIMEOUT_SECONDS) or None


def _check_plan_names(spec: Fields, template: Template) -> None:
    place = spec.find("plan")
    both = {phase.name for phase in template.plan} & {phase.name for phase in template.phases}
    for name in sorted(both):
        if place and name:
            place.add(f"a phase {quoted(name)} stands in `template` too; names tell phases apart")


def _check_pauses(spec: Fields, template: Template) -> None:
    """Note a plan that would ask somebody, and what pauses ask for that commands could not tell."""
    place = spec.find("plan")
    for phase in template.plan:
        if place and (phase.pause or phase.on_failure is OnFailure.ASK):
            place.add(f"phase {quoted(phase.name)} would ask people; a plan asks nobody")
    pauses = [(phase.name, phase.pause) for phase in template.phases if phase.pause]
    check_asked_variables(spec, template.variables, pauses)


def _check_claimed_labels(spec: Fields, template: Template) -> None:
    """Keep secrets from workers that only say of themselves that they are the right ones."""
    runs_on = spec.find("runsOn")
    if runs_on is None or not template.accepts_claimed:
        return

    has_secret_variable = any(
        variable.type is VariableType.SECRET for variable in template.variables
    )

    if has_secret_variable or named_secrets((*template.plan, *template.phases)):
        place = runs_on.mapping().find("acceptClaimed")
        assert place is not None
        place.add(
            "is not for templates with secrets: any worker could say that it has the labels, "
            "and be handed them"
        )


def _check_targets(spec: Fields, template: Template) -> None:
    """Note phases that cannot run over SSH, where that is how the template runs."""
    if template.fan_out is None or template.fan_out.kind is not FanOutKind.TARGETS:
        return
    body, plan = spec.mapping("template"), spec.find("plan")
    phases = body.find("phases") if body else None
    for place, read in ((phases, template.phases), (plan, template.plan)):
        for each, phase in zip(place.items() if place else (), read, strict=False):
            if reason := unfit_for_target(phase):
                each.add(f"phase {quoted(phase.name)} {reason}")
    mounts = body.find("volumeMounts") if body else None
    for each, mount in zip(mounts.items() if mounts else (), template.volume_mounts, strict=False):
        if reason := unfit_mount_for_target(mount):
            each.add(reason)


def _check_conditions(spec: Fields, template: Template) -> None:
    """Note the conditions of the template's own policy that its own variables can never meet."""
    place = spec.find("approvalPolicy")
    if place is None or template.approval_policy is None or template.approval_policy.policy is None:
        return
    for finding in findings(template.approval_policy.policy, template.variables):
        if finding.is_certain:
            node = place.node.fields["spec"]
            for step in finding.steps:
                node = node.items[step] if isinstance(step, int) else node.fields[step]
            place.problems.add(f"{place.path}.spec.{finding.path}", finding.message, node.line)


_READERS: dict[str, _Reader] = {
    TEMPLATE_TYPE: _template,
    AUTOMATION_TYPE: _automation,
    POLICY_TYPE: read_policy,
    REQUEST_TYPE: read_request,
    SCHEDULE_TYPE: read_schedule,
    TRIGGER_TYPE: read_trigger,
    TARGET_TYPE: read_target,
}
