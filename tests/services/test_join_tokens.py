"""A join token for many workers: never for more than it says, and never two for one worker."""

from __future__ import annotations

import json
from collections import Counter

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import InvalidInput, NotFound, OpsicleError
from opsicle.security import join_token
from opsicle.security.certificates import make_key_and_csr
from opsicle.server.access.actor import Actor
from opsicle.server.store import memberships
from opsicle.server.store.rows import fetch_column
from opsicle.wire.fleet_api import CreateJoinTokenRequest
from opsicle.wire.worker_api import Enrolment, EnrolRequest
from tests.services.core import Core

LABELS = {"site": "ams"}
MANY = CreateJoinTokenRequest(uses=5, ttl_seconds=30 * 86_400, labels=LABELS)


def made(core: Core, alice: Actor, request: CreateJoinTokenRequest = MANY) -> join_token.JoinToken:
    core.services.urls.url = "https://ops.example.com"
    return join_token.parse(core.services.join_tokens.create(alice, request).token)


def asked(token: join_token.JoinToken, name: str = "pod") -> EnrolRequest:
    return join_token.make_request(token, make_key_and_csr()[1], name, {"site": "elsewhere"}, 1)


def enrol(core: Core, token: join_token.JoinToken, request: EnrolRequest) -> Enrolment:
    reply = core.services.enrolments.enrol(request, "10.0.0.1")
    return join_token.open_reply(token, request, reply)


def outcome(core: Core, request: EnrolRequest) -> str:
    try:
        core.services.enrolments.enrol(request, "10.0.0.1")
    except OpsicleError as error:
        return type(error).__name__
    return "enrolled"


def enrolled(core: Core, alice: Actor) -> list[str]:
    return [worker.name for worker in core.services.workers.list_workers(alice, "", 100).items]


def test_of_twenty_workers_at_once_as_many_enrol_as_the_token_is_for(
    core: Core, alice: Actor
) -> None:
    token = made(core, alice)
    requests = [asked(token, f"pod-{n}") for n in range(20)]

    jobs = [gevent.spawn(outcome, core, request) for request in requests]
    gevent.joinall(jobs, raise_error=True)

    assert Counter(job.value for job in jobs) == {"enrolled": 5, "Conflict": 15}
    assert len(enrolled(core, alice)) == 5
    assert core.services.join_tokens.list_open(alice, "", 50).items == []


def test_a_worker_whose_answer_was_lost_asks_again_and_spends_no_second_use(
    core: Core, alice: Actor
) -> None:
    token = made(core, alice)
    request = asked(token)

    first = enrol(core, token, request)
    again = [enrol(core, token, request) for _ in range(9)]

    assert {each.worker_id for each in again} == {first.worker_id}
    (listed,) = core.services.join_tokens.list_open(alice, "", 50).items
    assert (listed.uses, listed.max_uses, listed.labels) == (1, 5, LABELS)
    assert enrolled(core, alice) == ["pod"]


def test_the_last_use_is_answered_again_too_and_not_once_its_worker_is_revoked(
    core: Core, alice: Actor
) -> None:
    token = made(core, alice, CreateJoinTokenRequest(uses=2, labels={}))
    enrol(core, token, asked(token))
    last = asked(token, "last")

    first, again = enrol(core, token, last), enrol(core, token, last)
    core.services.workers.revoke(alice, "last")

    assert first.worker_id == again.worker_id
    assert outcome(core, last) == "NotAuthenticated"


def test_its_workers_have_the_labels_of_the_token_and_nothing_that_they_say(
    core: Core, alice: Actor
) -> None:
    token = made(core, alice)

    worker = enrol(core, token, asked(token))

    shown = core.services.workers.get(alice, worker.worker_id)
    assert shown.granted_labels == LABELS


def test_each_enrolment_stands_in_the_record_with_its_count(core: Core, alice: Actor) -> None:
    token = made(core, alice)
    for _ in range(2):
        enrol(core, token, asked(token))

    query = "SELECT data FROM audit_entries WHERE verb = 'enrol'"
    data = [json.loads(text) for text in core.database.read(lambda db: fetch_column(db, query, {}))]

    assert sorted(each["use"] for each in data) == ["1 of 5", "2 of 5"]
    assert {each["join_token"] for each in data} == {token.token_id}


def test_nobody_enrols_by_a_token_that_was_revoked_or_is_over(core: Core, alice: Actor) -> None:
    token, other = made(core, alice), made(core, alice)
    request = asked(token)
    enrol(core, token, request)

    core.services.join_tokens.revoke(alice, token.token_id)
    core.clock.advance(31 * 86_400)

    assert outcome(core, asked(token)) == "NotAuthenticated"
    assert outcome(core, request) == "NotAuthenticated"
    assert outcome(core, asked(other)) == "NotAuthenticated"
    with pytest.raises(NotFound):
        core.services.join_tokens.revoke(alice, token.token_id)


def test_a_token_for_many_ends_with_the_right_of_its_maker(core: Core, alice: Actor) -> None:
    bob = core.person(alice.org_id, "bob", BuiltInRole.ADMIN)
    token = made(core, bob)
    enrol(core, token, asked(token))

    core.database.write(lambda db: memberships.delete(db, bob.org_id, bob.user_id))

    assert outcome(core, asked(token)) == "NotAuthenticated"


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (CreateJoinTokenRequest(uses=2), "labels"),
        (CreateJoinTokenRequest(uses=0, labels={}), "uses"),
        (CreateJoinTokenRequest(uses=100_001, labels={}), "uses"),
        (CreateJoinTokenRequest(uses=2, labels={}, ttl_seconds=91 * 86_400), "ttl_seconds"),
        (CreateJoinTokenRequest(labels={}, ttl_seconds=2 * 86_400), "ttl_seconds"),
    ],
)
def test_a_token_for_many_says_its_labels_its_number_and_its_time(
    core: Core, alice: Actor, request_: CreateJoinTokenRequest, path: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        core.services.join_tokens.create(alice, request_)
    assert [problem.path for problem in refused.value.problems] == [path]
