"""What a sender of webhooks is answered, and what a stranger learns from that."""

from __future__ import annotations

import dataclasses

import pytest

from opsicle.domain.triggers import MAX_BODY_BYTES
from opsicle.server.triggers.large_bodies import MOST_OF_ONE_ADDRESS
from tests.api.running_server import Answer, ApiServer, Client
from tests.api.test_templates import source
from tests.services.calling import trigger_source

LINES = ("verify: bearer", "dedupe: {pointer: /n, window: 60}", "rate: 10/m",
         "filter: [{pointer: /status, in: [firing]}]")  # fmt: skip
PATH = "/hooks/acme/disk-full"


@pytest.fixture
def secret(api_server: ApiServer) -> str:
    """Return the secret of a trigger of acme's."""
    alice = api_server.session("alice@example.com")
    alice.post("/api/v1/templates", {"source": source("restart-web")})
    document = trigger_source(*LINES, template="restart-web")
    pushed = alice.post("/api/v1/triggers", {"source": document})
    assert pushed.status == 201
    return str(pushed.json["secret"])


@pytest.fixture
def sender(api_server: ApiServer, secret: str) -> Client:
    return Client(api_server.application, {"Authorization": f"Bearer {secret}"})


def test_a_sender_is_told_what_became_of_its_call(api_server: ApiServer, sender: Client) -> None:
    alice = api_server.session("alice@example.com")

    started = sender.post(PATH, {"status": "firing", "n": 1})
    again = sender.post(PATH, {"status": "firing", "n": 1, "more": True})
    resolved = sender.post(PATH, {"status": "resolved", "n": 2})
    unfit = sender.post(PATH, {"status": "firing"})

    automation = started.json["automation"]
    assert (started.status, set(started.json)) == (202, {"automation", "url"})
    assert started.json["url"].endswith(f"/automations/{automation}")
    assert alice.get(f"/api/v1/automations/{automation}").json["started_by"]["kind"] == "trigger"
    assert (again.status, again.json["automation"]) == (200, automation)
    assert (resolved.status, set(resolved.json)) == (200, {"skipped"})
    assert (unfit.status, unfit.code) == (400, "invalid_input")
    alice.post("/api/v1/triggers/disk-full/pause")
    assert sender.post(PATH, {"status": "firing", "n": 3}).status == 404
    alice.post("/api/v1/triggers/disk-full/resume")
    alice.delete("/api/v1/templates/restart-web")
    assert sender.post(PATH, {"status": "firing", "n": 4}).status == 409


def test_a_sender_is_told_when_to_come_again(sender: Client) -> None:
    answers = [sender.post(PATH, {"status": "resolved"}) for _ in range(11)]

    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 7


def test_a_form_is_read_as_the_json_that_it_is(sender: Client) -> None:
    form = dataclasses.replace(
        sender, environ={"CONTENT_TYPE": "application/x-www-form-urlencoded"}
    )
    assert form.post(PATH, {"status": "firing", "n": 1}).status == 202


def test_a_body_that_is_too_long_is_not_read(api_server: ApiServer, sender: Client) -> None:
    endless = {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)}
    for who in (sender, api_server.client()):
        assert dataclasses.replace(who, environ=endless).post(PATH, {}).status == 413


class Nested:
    """A body that is read only once another call, sent meanwhile, has been answered."""

    def __init__(self, anonymous: Client, answers: list[int], declared: str) -> None:
        self._anonymous, self._answers, self._declared = anonymous, answers, declared

    def read(self, _size: int) -> bytes:
        if len(self._answers) == 0:
            self._answers.append(send_nested(self._anonymous, self._answers, self._declared))
        return b"{}"


def send_nested(anonymous: Client, answers: list[int], declared: str) -> int:
    environ = {"wsgi.input": Nested(anonymous, answers, declared), "CONTENT_LENGTH": declared}
    return dataclasses.replace(anonymous, environ=environ).post(PATH).status


@pytest.mark.parametrize("declared", ["", "16385"])
def test_strangers_fill_no_memory_with_bodies_that_never_end(
    api_server: ApiServer, sender: Client, declared: str
) -> None:
    """Each is under way until the next has been answered; the one too many is not read."""
    anonymous = Client(api_server.application, address="198.51.100.7")
    answers: list[int] = []

    first = send_nested(anonymous, answers, declared)

    assert [*answers, first] == [429] + [401] * MOST_OF_ONE_ADDRESS
    assert sender.post(PATH, {"status": "firing", "n": 1}).status == 202
    assert send_nested(anonymous, [], declared) == 401


def test_a_stranger_learns_only_whether_there_is_such_a_trigger(
    api_server: ApiServer, secret: str
) -> None:
    def seen(answer: Answer) -> tuple[int, bytes]:
        return answer.status, answer.content

    alice = api_server.session("alice@example.com")
    outsiders = [
        api_server.client(),
        Client(api_server.application, {"Authorization": "Bearer whsec_wrong"}),
        Client(api_server.application, {"Authorization": f"Basic {secret}"}),
        alice,
    ]
    absent = ["/hooks/acme/absent", "/hooks/absent/disk-full", "/hooks/globex/disk-full",
              "/hooks/acme/DISK-FULL", "/hooks/acme/" + "x" * 300]  # fmt: skip

    def answers_of(paths: list[str]) -> set[tuple[int, bytes]]:
        bodies: list[object] = [{"status": "firing", "n": 1}, "no object"]
        return {
            seen(who.post(path, body)) for who in outsiders for path in paths for body in bodies
        }

    there, not_there = answers_of([PATH]), answers_of(absent)
    alice.post("/api/v1/triggers/disk-full/pause")
    there.add(seen(outsiders[0].post(PATH, {})))

    assert ({status for status, _ in there}, len(there)) == ({401}, 1)
    assert ({status for status, _ in not_there}, len(not_there)) == ({404}, 1)
    assert alice.get("/api/v1/automations").json["items"] == []


def test_a_stranger_who_guesses_names_is_held_back(api_server: ApiServer) -> None:
    anonymous = Client(api_server.application, address="198.51.100.7")

    answers = [anonymous.post(f"/hooks/acme/guess-{number}", {}).status for number in range(52)]

    assert answers == [404] * 50 + [429] * 2


def test_a_stranger_who_goes_on_is_held_back_and_nobody_else(
    api_server: ApiServer, sender: Client
) -> None:
    anonymous = Client(api_server.application, address="198.51.100.7")
    answers = [anonymous.post(PATH, {}) for _ in range(52)]

    assert [answer.status for answer in answers] == [401] * 50 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert Client(api_server.application, address="198.51.100.8").post(PATH, {}).status == 401
    behind_the_same = dataclasses.replace(sender, address="198.51.100.7")
    assert behind_the_same.post(PATH, {"status": "firing", "n": 1}).status == 202
    assert behind_the_same.get("/api/v1/ca").status == 200
