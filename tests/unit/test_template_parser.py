"""Good templates: what they become."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.automations import AutomationState, WorkerLost
from opsicle.domain.errors import InvalidInput
from opsicle.domain.policies import Approvers, Gate, GateOrder, Policy, PolicyUse
from opsicle.domain.shell_lint import warnings
from opsicle.domain.template_parser import (
    AutomationDocument,
    digest,
    parse_document,
    parse_template,
)
from opsicle.domain.templates import (
    Concurrency,
    Notify,
    OnLimit,
    Owner,
    Phase,
    Pull,
    ResourceLimits,
    Retries,
    Template,
    Variable,
    VariableType,
    VolumeMount,
    When,
)
from opsicle.domain.variables import check_values

PROJECT = Path(__file__).parents[2]
UPSTREAM = PROJECT.parent / "shared/real/opsicle-upstream"

FULL = """\
apiVersion: v1
type: AutomationTemplate
metadata:
  name: restart-web
  labels: {opsicle.io/description: "what a list shows"}
spec:
  metadata:
    displayName: Restart the web tier
    description: |
      Two
      lines
    owners: [{name: Ada, email: ada@example.com}]
  approvalPolicy: {spec: {order: parallel, gates: [{name: boss, approvers: {manager: true}}]}}
  requireMfa: true
  notify: [{states: [failed], groups: [sre]}]
  variables:
    - {id: service, label: Service, description: Which, default: nginx, isRequired: true,
       pattern: "[a-z]+"}
    - {id: dry-run, type: bool, default: no}
    - {id: count, type: number, min: 1, max: 9, default: 3}
    - {id: ratio, type: float, default: 3}
    - {id: site, type: enum, options: [ams, fra, 3], default: 3}
    - {id: day, type: date, default: 2025-06-28}
    - {id: hosts, multiple: true, default: [a, b]}
    - {id: password, type: secret}
  template:
    volumeMounts: [{host: ./tmp, container: /tmp}]
    phases:
      - name: check
        image: alpine:latest
        timeout: 600
        commands: ["nginx -t", "true"]
        env: {KEY: value}
        secrets: [db-password]
        workingDirectory: sub/folder
        when: failure
        retries: {limit: 2, delay: 5, backoff: 2, retryOn: [75, 1]}
        shell: /bin/bash
        outputs: [backup_path]
        network: true
        pull: never
        user: "1000:2000"
        readOnly: true
        limits: {cpuSeconds: 1, memoryMiB: 64, processes: 2, fileMiB: 3, nice: 4}
      - {name: report, commands: [date]}
  runsOn: {labels: {site: ams}, where: "site in (ams,fra), !old"}
  timeout: 3600
  priority: 7
  maxWaiting: 20
  keepWorkspace: 3600
  concurrency: {group: web, by: [service], limit: 2, onLimit: reject}
  onWorkerLost: requeue
  plan: [{name: look, commands: [ls]}]
"""


def test_every_field_of_the_format_is_read() -> None:
    assert parse_template(FULL.encode()) == Template(
        name="restart-web",
        labels={"opsicle.io/description": "what a list shows"},
        display_name="Restart the web tier",
        description="Two\nlines\n",
        owners=(Owner(name="Ada", email="ada@example.com"),),
        approval_policy=PolicyUse(
            policy=Policy(
                order=GateOrder.PARALLEL,
                gates=(Gate(name="boss", approvers=Approvers(manager=True)),),
            )
        ),
        require_mfa=True,
        notify=(Notify(states=(AutomationState.FAILED,), groups=("sre",)),),
        variables=(
            Variable(
                id="service",
                label="Service",
                description="Which",
                default="nginx",
                is_required=True,
                pattern="[a-z]+",
            ),
            Variable(id="dry-run", type=VariableType.BOOL, default=False),
            Variable(id="count", type=VariableType.NUMBER, min=1, max=9, default=3),
            Variable(id="ratio", type=VariableType.FLOAT, default=3.0),
            Variable(id="site", type=VariableType.ENUM, options=("ams", "fra", 3), default=3),
            Variable(id="day", type=VariableType.DATE, default="2025-06-28"),
            Variable(id="hosts", multiple=True, default=["a", "b"]),
            Variable(id="password", type=VariableType.SECRET),
        ),
        volume_mounts=(VolumeMount(host="./tmp", container="/tmp"),),
        phases=(
            Phase(
                name="check",
                image="alpine:latest",
                timeout=600,
                commands=("nginx -t", "true"),
                env={"KEY": "value"},
                secrets=("db-password",),
                working_directory="sub/folder",
                when=When.FAILURE,
                retries=Retries(limit=2, delay=5, backoff=2.0, retry_on=(75, 1)),
                shell="/bin/bash",
                outputs=("backup_path",),
                network=True,
                pull=Pull.NEVER,
                user="1000:2000",
                read_only=True,
                limits=ResourceLimits(
                    cpu_seconds=1, memory_mib=64, processes=2, file_mib=3, nice=4
                ),
            ),
            Phase(name="report", commands=("date",)),
        ),
        runs_on={"site": "ams"},
        runs_on_where="site in (ams, fra), !old",
        timeout=3600,
        priority=7,
        max_waiting=20,
        keep_workspace=3600,
        concurrency=Concurrency(group="web", by=("service",), limit=2, on_limit=OnLimit.REJECT),
        on_worker_lost=WorkerLost.REQUEUE,
        plan=(Phase(name="look", commands=("ls",)),),
    )


def test_a_template_survives_being_kept_as_json() -> None:
    template = parse_template(FULL.encode())

    kept = msgspec.json.decode(msgspec.json.encode(template), type=Template)
    assert kept == template
    assert digest(kept) == digest(template)


def test_comments_layout_and_the_order_of_fields_do_not_change_the_digest() -> None:
    tree = yaml.safe_load(FULL)
    tree["spec"]["variables"][5]["default"] = "2025-06-28"

    other_layout = yaml.safe_dump(tree, sort_keys=True)

    assert digest(parse_template(("# comment\n" + other_layout).encode())) == digest(
        parse_template(FULL.encode())
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nginx -t", "nginx -T"),
        ("timeout: 600", "timeout: 601"),
        ("max: 9, default: 3", "max: 9, default: 4"),
        ("Ada", "Eve"),
    ],
)
def test_any_change_of_content_changes_the_digest(old: str, new: str) -> None:
    assert old in FULL
    assert digest(parse_template(FULL.replace(old, new).encode())) != digest(
        parse_template(FULL.encode())
    )


def upstream_documents(kind: str) -> list[Path]:
    if not UPSTREAM.is_dir():
        pytest.skip(
            "the older Opsicle's own documents are not beside this checkout"
            " (shared/real/opsicle-upstream)"
        )
    return sorted((UPSTREAM / kind).glob("*.yaml"))


def test_every_template_of_the_older_opsicle_loads_unchanged() -> None:
    templates = [
        parse_template(path.read_bytes()) for path in upstream_documents("automationTemplate")
    ]

    assert [template.name for template in templates] == ["basic", "basic2", "vars"]
    assert all(template.approval_policy == PolicyUse(policy_ref="tg-one") for template in templates)
    assert [phase.name for phase in templates[0].phases] == [
        "initialisation",
        "information-gathering",
        "execution",
        "clean-up",
    ]


def test_a_required_variable_of_the_older_opsicle_may_have_a_default() -> None:
    variables = next(
        template.variables
        for template in map(
            parse_template, (path.read_bytes() for path in upstream_documents("automationTemplate"))
        )
        if template.name == "vars"
    )
    given = {
        "string-wo-default-value": "s",
        "bool-wo-default-value": False,
        "number-wo-default-value": 0,
        "float-wo-default-value": 1,
    }

    assert check_values(variables, given) == given | {
        "string-w-default-value": "string_w_default_value",
        "bool-w-default-value": True,
        "number-w-default-value": 3,
        "float-w-default-value": 3.142,
    }


def test_every_automation_of_the_older_opsicle_loads_unchanged() -> None:
    (path,) = upstream_documents("automation")
    automation = parse_document(path.read_bytes())

    assert isinstance(automation, AutomationDocument)
    assert (automation.name, len(automation.phases)) == ("basic", 4)
    assert automation.volume_mounts == (VolumeMount(host="./tmp", container="/tmp"),)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    *(
        "apiVersion",
        "type",
        "metadata",
        "spec",
        "name",
        "labels",
        "displayName",
        "description",
        "owners",
    ),
    *(
        "approvalPolicy",
        "policyRef",
        "variables",
        "id",
        "label",
        "default",
        "isRequired",
        "options",
        "pattern",
    ),
    *(
        "min",
        "max",
        "multiple",
        "template",
        "volumeMounts",
        "phases",
        "image",
        "network",
        "pull",
        "user",
        "readOnly",
        "limits",
        "memoryMiB",
        "timeout",
        "commands",
        "env",
    ),
    *(
        "secrets",
        "workingDirectory",
        "when",
        "retries",
        "backoff",
        "retryOn",
        "shell",
        "outputs",
        "runsOn",
        "concurrency",
        "group",
    ),
    *("limit", "onLimit", "onWorkerLost", "plan", "host", "container", "delay", "email", "status"),
]


@st.composite
def spoiled(draw: st.DrawFn) -> object:
    """Draw the full template, with up to three places overwritten, or given a field of another."""
    tree = yaml.safe_load(FULL)
    for _ in range(draw(st.integers(1, 3))):
        place = tree
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))

            if isinstance(place[key], dict | list) and draw(st.integers(0, 3)):
                place = place[key]
                continue

            if isinstance(place, dict) and draw(st.booleans()):
                key = draw(st.sampled_from(FIELDS))
            place[key] = draw(JUNK)
            break

    return tree


@given(spoiled())
def test_a_spoiled_template_is_read_or_refused_never_anything_else(tree: object) -> None:
    source = yaml.safe_dump(tree, allow_unicode=True).encode()
    try:
        template = parse_template(source)
    except InvalidInput:
        return

    assert msgspec.json.decode(msgspec.json.encode(template), type=Template) == template

    warnings(template)
