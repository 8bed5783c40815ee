"""E-mail to a real SMTP server goes over TLS always; nobody's words become headers or markup."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.channel_setup import ask, deliver, deliveries, finish_one, make_email, post_notice
from tests.api.receivers import Certified, MailServer, certified, mail_server
from tests.api.running_server import ApiServer, Client
from tests.api.test_templates import source

ALICE = "alice@example.com"
EVIL = "Restart\r\nBcc: mallory@example.com\r\n\r\n<script>alert(1)</script>\u2028x"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session(ALICE)


@pytest.fixture
def certificate(tmp_path: Path) -> Certified:
    return certified(tmp_path, "localhost")


def body(server: MailServer, kind: str = "plain") -> str:
    part = server.mailbox.messages[-1].get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_message_arrives_over_tls_with_login(
    api_server: ApiServer, alice: Client, certificate: Certified, security: str
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    gate = "{name: bob, approvers: {users: [bob@example.com]}}"
    with mail_server(certificate.context, is_tls_first=security == "tls") as server:
        make_email(alice, server, certificate.ca_pem, security=security)
        asked = ask(alice, alice, gate=gate, commands=("nginx -t", "nginx -s reload"))
        deliver(api_server)
        assert deliveries(alice)[0]["last_error"] == ""
        (message,) = server.mailbox.messages

    assert server.logins == [(b"opsicle", b"a-mail-password")]
    assert server.mailbox.recipients == ["bob@example.com"]

    assert (message["To"], message["Subject"]) == (
        "bob@example.com",
        "alice@example.com asks to run restart-web version 1",
    )
    assert message["From"] == "Opsicle <opsicle@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{deliveries(alice)[0]['id']}@example.com>"

    for kind in ("plain", "html"):
        assert f"https://ops.example.com/approvals/{asked['approval_id']}" in body(server, kind)
    assert (
        "Runs: check: nginx -t\n    check: nginx -s reload\nWaits for: bob: 1 of bob@example.com\n"
        in body(server)
    )
    assert "check: nginx -t<br>check: nginx -s reload" in body(server, "html")


def test_it_tells_who_asks_what_and_why(
    api_server: ApiServer, alice: Client, certificate: Certified
) -> None:
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        choice = {"channel": "mail", "notice": "automation_succeeded", "is_on": True}
        assert alice.call("PUT", "/api/v1/preferences", choice).status == 200
        automation_id = finish_one(api_server, reason=f"The disk is full\r\n.\r\n\0{'ü' * 300}")
        deliver(api_server)
    text = body(server)
    assert "Asked by: " in text
    assert ALICE in text
    assert "Reason: The disk is full" in text
    assert "ü" * 300 in text
    assert "State: succeeded" in text
    assert "Org: acme" in text.splitlines()
    assert f"https://ops.example.com/automations/{automation_id}" in text


def test_no_word_of_a_person_becomes_a_header_or_markup(
    api_server: ApiServer, alice: Client, certificate: Certified
) -> None:
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        post_notice(api_server, ALICE, subject=EVIL)
        deliver(api_server)
        (message,) = server.mailbox.messages
    assert server.mailbox.recipients == [ALICE]
    assert message["Bcc"] is None
    assert (
        message["Subject"] == "Restart Bcc: mallory@example.com <script>alert(1)</script>⟨U+2028⟩x"
    )
    assert "<script>" not in body(server, "html")
    assert "&lt;script&gt;" in body(server, "html")


def test_without_starttls_neither_password_nor_message_is_sent(
    api_server: ApiServer, alice: Client
) -> None:
    with mail_server(None) as server:
        make_email(alice, server, "")
        post_notice(api_server, ALICE)
        deliver(api_server)
        assert (server.logins, server.mailbox.messages) == ([], [])
    (delivery,) = deliveries(alice)
    assert (delivery["state"], delivery["last_error"]) == (
        "failed",
        "the mail server does not offer STARTTLS, or no way to log in",
    )


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_another_ca_gets_neither(
    api_server: ApiServer, alice: Client, certificate: Certified, tmp_path: Path, security: str
) -> None:
    (tmp_path / "other").mkdir()
    other = certified(tmp_path / "other", "localhost")
    with mail_server(certificate.context, is_tls_first=security == "tls") as server:
        make_email(alice, server, other.ca_pem, security=security)
        post_notice(api_server, ALICE)
        deliver(api_server)
        assert (server.logins, server.mailbox.messages) == ([], [])
    assert "not to be trusted" in deliveries(alice)[0]["last_error"]


def test_a_certificate_for_another_name_gets_neither(
    api_server: ApiServer, alice: Client, certificate: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem, host="mail.example.com")
        there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [there])
        post_notice(api_server, ALICE)
        deliver(api_server)
        assert (server.logins, server.mailbox.messages) == ([], [])
    assert "not to be trusted" in deliveries(alice)[0]["last_error"]


def test_a_private_mail_server_is_refused_unless_its_network_is_allowed(
    api_server: ApiServer, alice: Client, certificate: Certified
) -> None:
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem, allow_networks=[])
        post_notice(api_server, ALICE)
        deliver(api_server)
        assert server.mailbox.messages == []
    assert "not public" in deliveries(alice)[0]["last_error"]


def test_a_recipient_refused_for_good_is_given_up_and_one_refused_for_now_is_not(
    api_server: ApiServer, alice: Client, certificate: Certified
) -> None:
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        server.mailbox.refusal = "450 mailbox busy"
        post_notice(api_server, ALICE)
        deliver(api_server)
        server.mailbox.refusal = "550 no such user"
        post_notice(api_server, ALICE)
        deliver(api_server)
    assert [each["state"] for each in deliveries(alice)] == ["gave_up", "failed"]
    assert deliveries(alice)[0]["last_error"] == "the mail server refused the recipient (550)"


def test_a_wrong_password_is_said_and_not_shown(
    api_server: ApiServer, alice: Client, certificate: Certified
) -> None:
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        alice.patch("/api/v1/channels/mail", {"credential": "another-password"})
        post_notice(api_server, ALICE)
        deliver(api_server)
    (delivery,) = deliveries(alice)
    assert delivery["last_error"] == "the mail server refused username or password (535)"


def test_a_mail_server_that_comes_back_gets_everything(
    api_server: ApiServer, alice: Client, certificate: Certified
) -> None:
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
    for number in range(3):
        post_notice(api_server, ALICE, subject=f"number {number}")
    deliver(api_server)
    assert {each["state"] for each in deliveries(alice)} == {"failed"}
    api_server.clock.advance(hours=1)
    with mail_server(certificate.context, port=server.port) as back:
        deliver(api_server)
        assert sorted(str(message["Subject"]) for message in back.mailbox.messages) == [
            "number 0",
            "number 1",
            "number 2",
        ]


def test_no_value_looks_like_another_fact_and_what_is_cut_says_so(
    api_server: ApiServer, alice: Client, certificate: Certified
) -> None:
    variables = "[{id: page, type: text}, {id: long, type: string}]"
    text = source("careful").replace("[{id: service, type: string, default: nginx}]", variables)
    assert alice.post("/api/v1/templates", {"source": text}).status == 201
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        values = {"page": "x, long=y\nReason: all is well", "long": "z" * 1600}
        asked = alice.post("/api/v1/automations", {"template": "careful", "values": values}).json
        post_notice(api_server, ALICE, automation_id=asked["id"])
        deliver(api_server)
    told = body(server).splitlines()
    assert [line for line in told if line.startswith("Reason: all is well")] == []
    assert any("page=" in line and "Reason: all is well" in line for line in told)
    assert any("zzz" in line for line in told)
    assert any("page" in line and "…" in line for line in told), "what is cut says so"
