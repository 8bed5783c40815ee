"""Channels are made and changed by admins alone; a credential goes in, never out or elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.security import totp
from opsicle.server.identity.step_up import FRESH_FOR
from opsicle.server.rotation import rotate_master_key
from tests.api.authenticator_app import enrol
from tests.api.channel_setup import KEY, deliver, deliveries, make_email, make_webhook
from tests.api.receivers import LOOPBACK, certified, mail_server, webhook_receiver
from tests.api.running_server import ApiServer, Client

URL = "https://hooks.example.com/opsicle"


def test_a_channel_is_made_changed_and_removed_and_its_credential_never_shown(
    api_server: ApiServer, alice: Client
) -> None:
    made = make_webhook(alice, URL)
    assert (made["kind"], made["version"], made["has_credential"], made["is_enabled"]) == (
        "webhook",
        1,
        True,
        True,
    )

    changed = alice.patch("/api/v1/channels/hooks", {"is_enabled": False})
    assert (changed.json["version"], changed.json["is_enabled"]) == (2, False)

    again = alice.patch("/api/v1/channels/hooks", {"credential": KEY[::-1]})
    assert (again.json["version"], again.json["has_credential"]) == (3, True)

    answers = [
        alice.get(f"/api/v1/{path}").content
        for path in ("channels", "channels/hooks", "audit", "deliveries")
    ]

    assert alice.delete("/api/v1/channels/hooks").status == 204
    assert alice.get("/api/v1/channels/hooks").status == 404
    assert alice.get("/api/v1/channels").json["items"] == []

    files = b"".join(path.read_bytes() for path in api_server.folder.path.rglob("*.db*"))
    for shown in (*answers, changed.content, again.content, files):
        assert KEY.encode() not in shown
        assert KEY[::-1].encode() not in shown


def test_what_is_done_to_a_channel_is_recorded(alice: Client) -> None:
    make_webhook(alice, URL)
    alice.patch("/api/v1/channels/hooks", {"is_enabled": False})
    alice.delete("/api/v1/channels/hooks")
    entries = alice.get("/api/v1/audit").json["items"]
    found = [entry["verb"] for entry in entries if entry["resource"] == "channels/hooks"]
    assert found == ["delete", "update", "create"]


def test_a_change_of_a_channel_asks_for_a_fresh_code(api_server: ApiServer, alice: Client) -> None:
    make_webhook(alice, URL)
    app = enrol(api_server, alice)
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds() + totp.STEP_SECONDS)
    refused = [
        alice.post(
            "/api/v1/channels",
            {"name": "x", "config": {"kind": "webhook", "url": URL}, "credential": KEY},
        ),
        alice.patch("/api/v1/channels/hooks", {"is_enabled": False}),
        alice.delete("/api/v1/channels/hooks"),
    ]
    assert [answer.code for answer in refused] == ["step_up_required"] * 3
    alice.post("/api/v1/step-up", {"totp": app.code()})
    assert alice.patch("/api/v1/channels/hooks", {"is_enabled": False}).status == 200


@pytest.mark.parametrize("role", [role for role in BuiltInRole if role is not BuiltInRole.ADMIN])
def test_only_admins_see_or_change_channels(
    api_server: ApiServer, alice: Client, role: BuiltInRole
) -> None:
    make_webhook(alice, URL)
    someone = api_server.person("acme", "someone", role)
    for method, path in [
        ("GET", ""),
        ("GET", "/hooks"),
        ("DELETE", "/hooks"),
        ("POST", "/hooks/test"),
    ]:
        assert (
            someone.call(method, f"/api/v1/channels{path}", {} if method == "POST" else None).status
            == 403
        )
    assert someone.get("/api/v1/deliveries").status == 403


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"url": "ftp://x.example.com/"}, "config.url"),
        ({"url": "http://hooks.example.com/"}, "config.url"),
        ({"url": "https://user:word@hooks.example.com/"}, "config.url"),
        ({"url": "https://hooks.example.com/ HTTP/1.1\r\nX: y"}, "config.url"),
        ({"url": "https:///nowhere"}, "config.url"),
        ({"allow_networks": ["everything"]}, "config.allow_networks[0]"),
        ({"ca_pem": "nonsense"}, "config.ca_pem"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(
    alice: Client, change: dict[str, Any], path: str
) -> None:
    config = {"kind": "webhook", "url": URL, **change}
    answer = alice.post("/api/v1/channels", {"name": "hooks", "config": config, "credential": KEY})
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, path)


@pytest.mark.parametrize(
    "credential", ["", "short", "with\nbreak-0123456789", "umläute-0123456789"]
)
def test_a_credential_that_cannot_be_is_refused_without_being_quoted(
    alice: Client, credential: str
) -> None:
    config = {"kind": "webhook", "url": URL}
    answer = alice.post(
        "/api/v1/channels", {"name": "hooks", "config": config, "credential": credential}
    )
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "credential")
    assert not credential or credential not in answer.content.decode()


@pytest.mark.parametrize(
    "change", [{"url": "https://evil.example.com/"}, {"ca_pem": "-----BEGIN CERTIFICATE-----"}]
)
def test_a_credential_never_goes_to_another_place_than_it_was_given_for(
    alice: Client, change: dict[str, str]
) -> None:
    make_webhook(alice, URL)
    config = {"kind": "webhook", "url": URL, "allow_networks": LOOPBACK, **change}
    answer = alice.patch("/api/v1/channels/hooks", {"config": config})
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "credential")
    assert alice.get("/api/v1/channels/hooks").json["config"]["url"] == URL
    assert (
        alice.patch("/api/v1/channels/hooks", {"config": config, "credential": KEY}).status == 200
    )


def test_a_channel_stays_of_its_kind(alice: Client) -> None:
    make_webhook(alice, URL)
    config = {"kind": "email", "host": "mail.example.com", "sender": "o@example.com"}
    answer = alice.patch("/api/v1/channels/hooks", {"config": config, "credential": ""})
    assert answer.json["errors"][0]["path"] == "config.kind"


def test_a_name_is_taken_once_in_an_org_and_free_in_another(
    api_server: ApiServer, alice: Client
) -> None:
    make_webhook(alice, URL)
    config = {"kind": "webhook", "url": URL}
    again = alice.post("/api/v1/channels", {"name": "hooks", "config": config, "credential": KEY})
    assert again.code == "conflict"
    make_webhook(api_server.session("gina@example.com"), URL)


def test_a_credential_survives_another_master_key(
    api_server: ApiServer, alice: Client, tmp_path: Path
) -> None:
    certificate = certified(tmp_path, "localhost")
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        api_server.close()
        assert rotate_master_key(tmp_path / "data", None) == 1
        back = ApiServer(tmp_path / "data")
        try:
            back.session("alice@example.com").post("/api/v1/channels/mail/test", {})
            deliver(back)
            assert server.logins == [(b"opsicle", b"a-mail-password")]
        finally:
            back.close()
            api_server.folder.open(tmp_path / "data")


def test_a_removed_channel_takes_its_queue_with_it(alice: Client, api_server: ApiServer) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        alice.post("/api/v1/channels/hooks/test", {})
        assert alice.delete("/api/v1/channels/hooks").status == 204
        deliver(api_server)
        assert receiver.received == []
    assert deliveries(alice) == []


@pytest.mark.parametrize(
    "network", ["192.168.0.0/16", "0.0.0.0/0", "10.0.0.0/7", "169.254.169.254", "::/0"]
)
def test_an_org_opens_no_network_that_the_provider_has_not_opened(
    alice: Client, network: str
) -> None:
    config = {"kind": "webhook", "url": URL, "allow_networks": [network]}

    answer = alice.post("/api/v1/channels", {"name": "hooks", "config": config, "credential": KEY})

    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "config.allow_networks[0]")
    assert "--allow-egress" in answer.json["detail"]


def test_a_network_that_the_provider_closes_again_is_closed_at_once(
    api_server: ApiServer, alice: Client
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        api_server.services.core.egress_bounds.networks = ("10.0.0.0/8",)
        alice.post("/api/v1/channels/hooks/test")
        deliver(api_server)

        (delivery,) = alice.get("/api/v1/deliveries").json["items"]
        assert (delivery["state"], len(receiver.received)) == ("failed", 0)
        assert "--allow-egress" in delivery["last_error"]
        assert alice.patch("/api/v1/channels/hooks", {"is_enabled": False}).status == 200
