"""What a trigger makes of a body: whether to start something, and with which values."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.triggers import MAX_BODY_DEPTH
from opsicle.server.access.actor import Actor
from tests.services.calling import Sender, calls_of, push_trigger
from tests.services.core import Core
from tests.services.scheduling import started

TYPED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: typed}
spec:
  variables:
    - {id: host, type: string, isRequired: true}
    - {id: count, type: number, default: 1}
    - {id: loud, type: bool, default: false}
    - {id: tags, type: string, multiple: true}
    - {id: token, type: secret}
    - {id: report, type: file}
    - {id: level, type: enum, options: [low, high], default: low}
  template:
    phases: [{name: act, commands: ["true"]}]
"""


@pytest.mark.parametrize(
    ("condition", "body", "reason"),
    [
        ("{pointer: /status, in: [firing]}", {"status": "resolved"}, "/status is `resolved`"),
        ("{pointer: /status, in: [firing]}", {}, "/status is absent"),
        ("{pointer: /status, in: [firing]}", {"status": ["firing"]}, "no single value"),
        ("{pointer: /code, in: [200, 201]}", {"code": 500}, "not `200` or `201`"),
        ("{pointer: /status, notIn: [resolved]}", {"status": "resolved"}, "is `resolved`"),
        ("{pointer: /a~1b/0, exists: true}", {"a/b": []}, "is not there"),
        ("{pointer: /test, exists: false}", {"test": 0}, "is there"),
    ],
)
def test_a_filter_skips_what_it_does_not_let_through(
    core: Core, alice: Actor, condition: str, body: object, reason: str
) -> None:
    sender = Sender(core, push_trigger(core, alice, f"filter: [{condition}]").secret)

    reply = sender.send(body)

    assert reason in reply.skipped
    assert started(core, alice) == []
    (call,) = calls_of(core, alice)
    assert (call.outcome, call.reason) == ("skipped", reply.skipped)


@pytest.mark.parametrize(
    ("condition", "body"),
    [
        ("{pointer: /code, in: [200]}", {"code": "200"}),
        ("{pointer: /ok, in: [true]}", {"ok": True}),
        ("{pointer: /status, notIn: [resolved]}", {}),
        ("{pointer: /a~1b/1, exists: true}", {"a/b": [0, 1]}),
        ("{pointer: /test, exists: false}", {"test": None}),
    ],
)
def test_a_filter_lets_through_what_fits(
    core: Core, alice: Actor, condition: str, body: object
) -> None:
    sender = Sender(core, push_trigger(core, alice, f"filter: [{condition}]").secret)
    assert sender.send(body).automation


TYPED_MAPPING = (
    "values:",
    "  host: {pointer: /host}",
    "  count: {pointer: /count, default: 7}",
    "  loud: {pointer: /loud}",
    "  tags: {pointer: /tags}",
    "  token: {pointer: /token}",
    "  level: high",
)


def test_values_take_the_types_of_the_template_and_secrets_are_never_shown(
    core: Core, alice: Actor
) -> None:
    core.push(alice, TYPED)
    sender = Sender(core, push_trigger(core, alice, *TYPED_MAPPING, template="typed").secret)

    sender.send({"host": 17, "loud": "yes", "tags": "a", "token": "correct horse"})
    sender.send({"host": "db1", "count": "12", "tags": [1, True], "token": None})

    second, first = calls_of(core, alice)
    assert first.values == {
        "host": "17",
        "count": 7,
        "loud": True,
        "tags": ["a"],
        "token": "••••",
        "level": "high",
    }
    assert second.values["count"] == 12
    assert second.values["tags"] == ["1", "true"]
    assert core.automations.get(alice, first.automation_id or "").values == first.values


def test_a_body_that_does_not_fit_is_refused_with_each_mistake_and_where_it_is(
    core: Core, alice: Actor
) -> None:
    core.push(alice, TYPED)
    sender = Sender(core, push_trigger(core, alice, *TYPED_MAPPING, template="typed").secret)

    with pytest.raises(InvalidInput) as refused:
        sender.send({"host": {}, "loud": "perhaps", "count": 1.5})
    with pytest.raises(InvalidInput, match=r"values\.host: is required"):
        sender.send({})

    assert [problem.path for problem in refused.value.problems] == ["values.loud"]
    assert "looked for at /loud" in refused.value.message
    with pytest.raises(InvalidInput) as refused:
        sender.send({"host": {}, "count": 1.5})
    assert [(each.path, each.message) for each in refused.value.problems] == [
        ("values.host", "must be text, not an object (looked for at /host)"),
        ("values.count", "must be a whole number, not a decimal number (looked for at /count)"),
    ]
    assert {call.outcome for call in calls_of(core, alice)} == {"invalid"}
    assert started(core, alice) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"payload=%7B%7D", "no JSON"),
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * (MAX_BODY_DEPTH + 1) + b"]" * (MAX_BODY_DEPTH + 1), "nested deeper"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    core: Core, alice: Actor, body: bytes, message: str
) -> None:
    sender = Sender(core, push_trigger(core, alice).secret)
    with pytest.raises(InvalidInput, match=message):
        sender.send(body)
    assert calls_of(core, alice)[0].outcome == "invalid"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["values: {nobody: x}"], "no variable `nobody`"),
        (["values: {nobody: {pointer: /x}}"], "no variable `nobody`"),
        (["values: {count: many, host: x}"], "must be a whole number"),
        (["values: {host: x, count: {pointer: /n, default: many}}"], "not a whole number"),
        (["values: {count: 1}"], "is required"),
        (["values: {host: x, report: {pointer: /file}}"], "a webhook has none"),
        (["values: {host: x, token: correct-horse}"], "is secret"),
        (["values: {host: x, token: {pointer: /t, default: correct-horse}}"], "is secret"),
    ],
)
def test_values_that_no_body_could_mend_are_refused_when_they_are_pushed(
    core: Core, alice: Actor, lines: list[str], message: str
) -> None:
    core.push(alice, TYPED)
    with pytest.raises(InvalidInput) as refused:
        push_trigger(core, alice, *lines, template="typed")
    assert message in " ".join(problem.message for problem in refused.value.problems)
