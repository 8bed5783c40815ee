"""Channels from the command line, through a real server that is killed while it delivers."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.api.receivers import certified, mail_server, webhook_receiver
from tests.api.slack_api import TOKENS, buttons_in, slack_api, text_in
from tests.api.telegram_api import TOKEN, TelegramUser, telegram_api
from tests.product import Installation, User
from tests.support import wait_until

pytestmark = pytest.mark.e2e

KEY = "0123456789abcdef0123456789abcdef"
PASSWORD = "a-mail-password"
OPEN = ("--allow-egress", "127.0.0.0/8")


def credential(folder: Path, value: str) -> str:
    path = folder / "credential"
    path.write_text(f"{value}\n")
    return str(path)


def make_webhook(admin: User, folder: Path, port: int) -> None:
    admin.cli(
        "channels", "create", "hooks", "--kind", "webhook", "--set", f"url=http://127.0.0.1:{port}/",
        "--allow-network", "127.0.0.0/8", "--credential-file", credential(folder, KEY),
    )  # fmt: skip


def states(admin: User) -> list[Any]:
    return [each["state"] for each in admin.json("channels", "deliveries")]


def test_channels_are_made_tried_and_mended_from_the_command_line(tmp_path: Path) -> None:
    certificate = certified(tmp_path, "localhost")
    (tmp_path / "ca.pem").write_text(certificate.ca_pem)
    with (
        Installation(tmp_path, server_options=OPEN) as here,
        mail_server(certificate.context) as server,
        webhook_receiver() as receiver,
    ):
        admin = here.admin
        make_webhook(admin, tmp_path, receiver.port)
        admin.cli(
            "channels", "create", "mail", "--kind", "email",
            "--set", "host=127.0.0.1", "--set", f"port={server.port}",
            "--set", "sender=opsicle@example.com", "--set", "username=opsicle",
            "--allow-network", "127.0.0.1", "--ca-file", str(tmp_path / "ca.pem"),
            "--credential-file", credential(tmp_path, PASSWORD),
        )  # fmt: skip
        assert admin.json("channels", "test", "mail")["state"] == "delivered"
        assert admin.json("channels", "test", "hooks")["state"] == "delivered"
        assert server.mailbox.recipients == ["alice@example.com"]
        receiver.status = 500
        failed = admin.attempt("-o", "json", "channels", "test", "hooks")
        assert failed.returncode == 1
        receiver.status = 200
        newest = admin.json("channels", "deliveries", "--channel", "hooks", "--limit", "1")[0]
        admin.cli("channels", "retry", newest["id"])
        wait_until(lambda: states(admin) == ["delivered"] * 3, what="the retry")
        shown = (
            admin.cli("channels", "list")
            + admin.cli("channels", "show", "hooks")
            + here.server.process.log()
        )
        assert KEY not in shown
        assert PASSWORD not in shown
        admin.cli("channels", "prefer", "mail", "automation_finished", "--off")
        chosen = admin.json("channels", "preferences")
        assert [each["notice"] for each in chosen if not each["is_on"]] == [
            "automation_finished",
            "automation_succeeded",
        ]
        unknown = admin.attempt(
            "channels", "create", "birds", "--kind", "pigeon", "--set", "wings=2"
        )
        assert unknown.returncode == 2
        assert "`pigeon` is no kind of channel" in unknown.stderr
        assert {"email", "teams"} <= {each["name"] for each in admin.json("channels", "kinds")}
        admin.cli("channels", "update", "hooks", "--disable")
        assert admin.attempt("channels", "test", "hooks").returncode == 5
        admin.cli("channels", "delete", "hooks")
        assert [each["name"] for each in admin.json("channels", "list")] == ["mail"]


def test_a_killed_server_delivers_after_its_restart_what_was_under_way(tmp_path: Path) -> None:
    with Installation(tmp_path, server_options=OPEN) as here, webhook_receiver() as receiver:
        hold = Event()
        receiver.answer = lambda _handler: hold.wait(30)
        make_webhook(here.admin, tmp_path, receiver.port)
        started = here.admin.start("test", "channels", "test", "hooks")
        wait_until(lambda: receiver.received, what="the first attempt")
        here.server.process.kill()
        started.kill()
        receiver.answer = None
        hold.set()
        here.server.start()
        wait_until(lambda: states(here.admin) == ["delivered"], timeout=60, what="the delivery")
        assert len({each.headers["Opsicle-Delivery"] for each in receiver.received}) == 1


def test_a_person_links_a_telegram_account_and_is_told_there(tmp_path: Path) -> None:
    with Installation(tmp_path, server_options=OPEN) as here, telegram_api() as api:
        admin, phone = here.admin, TelegramUser(api, 4711)
        admin.cli(
            "channels", "create", "bot", "--kind", "telegram", "--set", f"base_url={api.url}",
            "--allow-network", "127.0.0.1", "--credential-file", credential(tmp_path, TOKEN),
        )  # fmt: skip
        assert admin.attempt("channels", "test", "bot").returncode == 5
        phone.write(f"/link {admin.json('channels', 'link', 'bot')['code']}")
        wait_until(
            lambda: admin.json("channels", "links")[0]["chat_user"] == "4711", what="the link"
        )
        assert admin.json("channels", "test", "bot")["state"] == "delivered"
        assert any("Opsicle can reach you through bot" in text for text in phone.texts())
        admin.cli("channels", "unlink", "bot")
        assert admin.attempt("channels", "test", "bot").returncode == 5
        shown = here.server.process.log() + admin.cli("channels", "deliveries")
        assert TOKEN not in shown


DECISION_REQUESTS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: careful}
spec:
  approvalPolicy: {spec: {gates: [{name: dave, approvers: {users: [dave@example.com]}}]}}
  template: {phases: [{name: act, commands: [echo done]}]}
"""


def test_an_approval_is_given_in_slack_and_the_automation_runs(tmp_path: Path) -> None:
    with Installation(tmp_path, server_options=OPEN) as here, slack_api() as api:
        admin = here.admin
        admin.cli(
            "channels", "create", "slack", "--kind", "slack", "--set", f"base_url={api.url}",
            "--allow-network", "127.0.0.1", "--credential-file", credential(tmp_path, TOKENS),
        )  # fmt: skip
        dave = here.person("dave@example.com", "approver")
        here.worker("w")
        here.push(DECISION_REQUESTS)
        wait_until(lambda: api.sockets, what="the connection to Slack")
        api.write("U1", f"link {dave.json('channels', 'link', 'slack')['code']}")
        wait_until(lambda: dave.json("channels", "links")[0]["chat_user"] == "U1", what="the link")
        run = admin.start("run", "run", "careful", "--follow", "--reason", "it hangs")
        asked = wait_until(
            lambda: [post for post in api.posted("DU1") if "Approve" in buttons_in(post)],
            what="the ask",
        )
        assert "Runs: act: echo done" in text_in(asked[0])
        api.disconnect("refresh_requested")
        wait_until(lambda: len(api.sockets) == 2, what="the renewed connection")
        api.press("U1", buttons_in(asked[0])["Approve"])
        assert run.popen.wait(60) == 0, run.log()
        assert any("approved" in text_in(post) for post in api.posted("U1"))
        log = here.server.process.log()
        assert not any(token in log for token in TOKENS.split())
        admin.cli("channels", "update", "slack", "--disable")
        wait_until(lambda: api.is_left, what="the end of the connection")
