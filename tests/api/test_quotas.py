"""Nobody holds up others: what one org asks for is bounded, and another org does not notice it."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from opsicle.server.access import open_offers
from opsicle.server.channels import sender
from opsicle.server.channels import service as channels
from opsicle.server.channels.delivery_loop import MOST_AT_ONCE as MOST_DELIVERIES
from opsicle.server.documents import reading
from opsicle.server.identity import passwords, sessions
from opsicle.server.members import api_tokens
from tests.api.channel_setup import dead_webhook, deliveries, make_webhook
from tests.api.receivers import webhook_receiver
from tests.api.running_server import PASSWORD, ApiServer, Client
from tests.api.test_templates import source
from tests.support import wait_until


@pytest.fixture
def gina(api_server: ApiServer) -> Client:
    return api_server.session("gina@example.com")


def test_twelve_hanging_webhooks_of_one_org_leave_room_for_another(
    api_server: ApiServer, alice: Client, gina: Client
) -> None:
    for number in range(12):
        dead_webhook(alice, f"dead-{number}")
        for _ in range(6):
            assert alice.post(f"/api/v1/channels/dead-{number}/test").status < 300
    claimed = api_server.services.sender.claim(MOST_DELIVERIES)
    assert len(claimed) == sender.MOST_AT_ONCE.of_org

    with webhook_receiver() as receiver:
        make_webhook(gina, receiver.url)
        assert gina.post("/api/v1/channels/hooks/test").status < 300
        (urgent,) = api_server.services.sender.claim(MOST_DELIVERIES)
        api_server.services.sender.carry_out(urgent)

        assert [each["state"] for each in deliveries(gina)] == ["delivered"]
    assert not api_server.services.sender.claim(MOST_DELIVERIES), (
        "what acme has under way is its share"
    )


def test_a_channel_for_which_much_waits_is_not_tried_again_and_again(
    alice: Client, gina: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_MOST_OPEN", 3)
    for client in (alice, gina):
        dead_webhook(client)
    for _ in range(3):
        assert alice.post("/api/v1/channels/dead/test").status < 300

    refused = alice.post("/api/v1/channels/dead/test")

    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert len(deliveries(alice)) == 3
    assert gina.post("/api/v1/channels/dead/test").status < 300


def test_the_orgs_of_a_long_queue_take_turns(
    api_server: ApiServer, alice: Client, gina: Client
) -> None:
    for client in (alice, gina):
        for number in range(3):
            dead_webhook(client, f"dead-{number}")
            for _ in range(4):
                client.post(f"/api/v1/channels/dead-{number}/test")

    claimed = set(api_server.services.sender.claim(6))

    assert len(claimed & {each["id"] for each in deliveries(alice, "?limit=200")}) == 3
    assert len(claimed & {each["id"] for each in deliveries(gina, "?limit=200")}) == 3


@pytest.fixture
def slow_hashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, list[object]]]:
    """Make the check of a password take until the event is set, and list whose turn it is.

    Each stands there by the hash that is compared with.
    """
    gate, turns = Event(), list[object]()
    inner = passwords.run_in

    def held(*arguments: object) -> object:
        gate.wait()
        turns.append(arguments[3])
        return inner(*arguments)

    monkeypatch.setattr(passwords, "run_in", held)
    yield gate, turns
    gate.set()


def wait_until_queued(api_server: ApiServer, logins: int) -> None:
    """Let the server go on until so many have their password checked or wait for that."""
    hasher = api_server.services.hasher
    waiting = hasher._semaphore._waiting
    wait_until(
        lambda: sum(map(len, waiting.values())) + hasher._threads.maxsize >= logins,
        60,
        "the logins to wait for their turn",
        pause=gevent.sleep,
    )


def test_a_crowd_that_logs_into_one_org_does_not_keep_others_out(
    api_server: ApiServer, slow_hashing: tuple[Event, list[object]]
) -> None:
    """The hash itself is real.

    What is held is the moment at which it begins, so that a queue forms.
    """
    done: list[str] = []
    gate, turns = slow_hashing

    def log_in(email: str, number: int) -> None:
        client = api_server.client()
        client.address = f"198.51.100.{number}"
        answer = client.post("/api/v1/login", {"email": email, "password": PASSWORD})
        done.append(f"{email.partition('@')[0]} {answer.status}")

    crowd = [gevent.spawn(log_in, "alice@example.com", number) for number in range(6)]
    wait_until_queued(api_server, 6)
    crowd.append(gevent.spawn(log_in, "gina@example.com", 100))
    wait_until_queued(api_server, 7)
    gate.set()
    gevent.joinall(crowd, timeout=60, raise_error=True)

    assert sorted(done) == ["alice 200"] * 6 + ["gina 200"]
    (ginas,) = (place for place, who in enumerate(turns) if turns.count(who) == 1)
    assert ginas <= api_server.services.hasher._threads.maxsize + 1


def test_streams_of_one_org_leave_room_for_another(
    api_server: ApiServer, alice: Client, gina: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = api_server.applications.streams._shares
    monkeypatch.setattr(shares, "_of_org", 2)
    bob = api_server.person("acme", "bob", "operator")
    open_ones = [alice.stream("/api/v1/events"), bob.stream("/api/v1/events")]
    for pieces in open_ones:
        next(pieces)

    refused = api_server.session("bob@example.com").call("GET", "/api/v1/events")

    assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    assert next(gina.stream("/api/v1/events"))
    for pieces in open_ones:
        pieces.close()  # type: ignore[attr-defined]
    assert api_server.session("bob@example.com").call("GET", "/api/v1/events").status == 200
    assert not shares._counts


def test_exports_of_one_org_leave_room_for_another(
    api_server: ApiServer, alice: Client, gina: Client
) -> None:
    begun = [alice.stream("/api/v1/audit/export") for _ in range(3)]
    for pieces in begun:
        next(pieces)

    refused = alice.get("/api/v1/audit/export")

    assert refused.status == 429
    assert "Retry-After" in refused.headers
    assert gina.get("/api/v1/audit/export").status == 200
    begun[0].close()  # type: ignore[attr-defined]
    assert alice.get("/api/v1/audit/export").status == 200


def test_documents_of_one_org_are_so_many_in_a_minute(
    api_server: ApiServer, alice: Client, gina: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate_limit = api_server.services.templates._reading._rate_limit
    monkeypatch.setattr(rate_limit, "_per_minute", 10 * reading.BYTES_OF_EACH)
    body = {"source": source("one")}
    answers = [alice.post("/api/v1/templates/validate", body) for _ in range(12)]

    refused = answers[-1]

    assert [each.status for each in answers].count(200) == 9
    assert refused.status == 429
    assert gina.post("/api/v1/templates/validate", body).status == 200
    api_server.clock.advance(seconds=int(refused.headers["Retry-After"]))
    assert alice.post("/api/v1/templates/validate", body).status == 200


def test_open_join_tokens_are_bounded_for_each_org(
    api_server: ApiServer, alice: Client, gina: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsicle.server.workers.join_tokens.MAX_JOIN_TOKENS", 3)
    for _ in range(3):
        assert alice.post("/api/v1/workers/tokens", {"ttl_seconds": 60}).status == 201

    refused = alice.post("/api/v1/workers/tokens", {"ttl_seconds": 60})

    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 61
    assert gina.post("/api/v1/workers/tokens", {}).status == 201
    api_server.clock.advance(seconds=62)
    assert alice.post("/api/v1/workers/tokens", {}).status == 201
    assert open_offers.MAX_JOIN_TOKENS >= 100


def test_open_invitations_are_bounded_for_each_org(
    alice: Client, gina: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsicle.server.members.invitation_links.MAX_INVITATIONS", 2)
    invite = [{"email": f"new-{number}@example.com", "role": "member"} for number in range(3)]
    assert [alice.post("/api/v1/invitations", each).status for each in invite] == [201, 201, 429]

    assert gina.post("/api/v1/invitations", invite[2]).status == 201
    assert alice.post("/api/v1/invitations", invite[0]).status == 201, "the one before gives way"
    newest = alice.get("/api/v1/invitations").json["items"][0]["id"]
    assert alice.delete(f"/api/v1/invitations/{newest}").status == 204
    assert alice.post("/api/v1/invitations", invite[2]).status == 201


def test_whoever_logs_in_without_end_ends_their_own_oldest_sessions(
    api_server: ApiServer, gina: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_PER_USER", 3)
    begun = []
    for _ in range(5):
        begun.append(api_server.session("alice@example.com"))
        api_server.clock.advance(seconds=1)

    assert [each.get("/api/v1/whoami").status for each in begun] == [401, 401, 200, 200, 200]
    assert gina.get("/api/v1/whoami").status == 200


def test_tokens_of_one_holder_are_bounded(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_tokens, "MAX_PER_HOLDER", 2)
    answers = [alice.post("/api/v1/tokens", {"name": f"ci-{number}"}) for number in range(3)]

    assert [each.status for each in answers] == [201, 201, 409]
    first = answers[0].json["details"]["id"]
    assert alice.delete(f"/api/v1/tokens/{first}").status == 204
    assert alice.post("/api/v1/tokens", {"name": "again"}).status == 201
