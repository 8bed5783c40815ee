"""A sample tells what a call would start, and starts it only for who could be given the secret."""

from __future__ import annotations

import json

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.domain.triggers import VerifyMethod
from opsicle.server.access.actor import Actor
from opsicle.wire.trigger_api import SampleCall, SampleOutcome
from tests.services.calling import calls_of, push_trigger
from tests.services.core import Core
from tests.services.scheduling import record, started

ALERT = {"status": "firing", "groupKey": "g1", "who": "db1"}
MAPPED = """values: {who: {pointer: /who}}
  filter: [{pointer: /status, in: [firing]}]
  dedupe: {pointer: /groupKey, window: 3600}"""


def sample(core: Core, actor: Actor, body: object = ALERT, **more: bool) -> SampleOutcome:
    text = body if isinstance(body, str) else json.dumps(body)
    call = SampleCall(body=text, **more)
    return core.services.sample_calls.send(
        msgspec.structs.replace(actor, org_code="acme"), "disk-full", call
    )


@pytest.mark.parametrize("method", list(VerifyMethod))
def test_a_sample_is_signed_as_each_kind_of_sender_signs_and_says_what_it_would_start(
    core: Core, alice: Actor, method: VerifyMethod
) -> None:
    push_trigger(core, alice, f"{MAPPED}\n  verify: {method}")

    found = sample(core, alice)

    assert (found.outcome, found.template, found.version) == ("started", "hello", 1)
    assert found.values == {"who": "db1"}
    assert found.headers
    assert started(core, alice) == []
    assert calls_of(core, alice) == []
    assert sample(core, alice, is_real=True).automation_id


def test_what_would_start_nothing_says_why(core: Core, alice: Actor) -> None:
    push_trigger(core, alice, MAPPED)

    skipped = sample(core, alice, {**ALERT, "status": "resolved"})
    invalid = sample(core, alice, {**ALERT, "who": {"no": "text"}})
    no_json = sample(core, alice, "{")

    assert (skipped.outcome, invalid.outcome, no_json.outcome) == ("skipped", "invalid", "invalid")
    assert "/status" in skipped.reason
    assert [problem.path for problem in invalid.problems] == ["values.who"]


def test_a_real_one_starts_it_stands_among_the_calls_and_in_the_record_with_who_sent_it(
    core: Core, alice: Actor
) -> None:
    push_trigger(core, alice, MAPPED)

    sent = sample(core, alice, is_real=True)
    again = sample(core, alice)

    (automation,) = started(core, alice)
    assert (sent.outcome, sent.automation_id) == ("started", automation.id)
    assert (again.outcome, again.automation_id) == ("duplicate", automation.id)
    assert [call.address for call in calls_of(core, alice)] == [f"sample of {alice.email}"]
    assert ("send_sample", alice.email) in record(core, alice, "triggers/disk-full")


def test_whoever_would_not_be_given_the_secret_may_look_but_start_nothing(
    core: Core, alice: Actor
) -> None:
    push_trigger(core, alice, MAPPED)
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    rita = core.person(alice.org_id, "rita", BuiltInRole.MEMBER)

    assert sample(core, carol).outcome == "started"
    with pytest.raises(NotAllowed):
        sample(core, carol, is_real=True)
    with pytest.raises(NotAllowed):
        sample(core, rita)
    with pytest.raises(NotFound):
        core.services.sample_calls.send(alice, "other", SampleCall(body="{}"))
    assert started(core, alice) == []
