"""A kind of channel is one folder: everything else that knows of kinds reads its descriptor."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import opsicle
from opsicle.domain.chat_services import CHAT_SERVICES
from opsicle.server.channels.kind import ChannelKind, Reach
from opsicle.server.channels.kind_summaries import settings_of_kind
from opsicle.server.channels.kinds import KINDS
from tests.api.channel_setup import deliver, make_webhook, post_notice
from tests.api.receivers import webhook_receiver
from tests.api.running_server import ApiServer, Client

PACKAGE = Path(opsicle.__file__).parent
DOCS = PACKAGE.parent / "docs" / "channels.md"
KEY = "0123456789abcdef"
EMAIL = {"kind": "email", "host": "mail.example.com", "sender": "ops@example.com"}

MAY_NAME_KINDS = {"domain/chat_services.py", "domain/policy_parser.py"}
"""What templates and policies may name, and the two that an older form of policies knows."""


def words_in(file: Path) -> set[str]:
    """Return the text constants of a file that are one word."""
    tree = ast.parse(file.read_text())
    return {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def documented() -> Iterator[tuple[str, str]]:
    """Yield kind and settings of each row of the table in docs/channels.md."""
    for line in DOCS.read_text().splitlines():
        if found := re.match(r"\| \[`([a-z]+)`\]\(#[a-z-]+\) \| ([^|]*) \|", line):
            yield found[1], found[2]


def test_policies_and_templates_may_name_the_kinds_from_which_decisions_come_back() -> None:
    with_inbox = [kind.name for kind in KINDS if kind.inbox]
    reaching_chats = [kind.name for kind in KINDS if kind.reaches is Reach.CHAT]

    assert list(CHAT_SERVICES) == with_inbox == reaching_chats


def test_no_code_outside_its_folder_names_a_kind() -> None:
    names = {kind.name for kind in KINDS} - {"email"}  # which is a field of people, too
    naming = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if names & words_in(file) and not file.is_relative_to(PACKAGE / "server/channels/kinds")
    }
    form = (PACKAGE.parent / "assets/components/channel-form.js").read_text().lower()

    assert naming == MAY_NAME_KINDS
    assert not [name for name in names if name in form]


def test_the_table_in_the_documentation_has_each_kind_with_its_settings() -> None:
    rows = dict(documented())

    assert list(rows) == [kind.name for kind in KINDS]
    for kind in KINDS:
        settings = settings_of_kind(kind)
        outside_parentheses = re.sub(r"\([^)]*\)", "", rows[kind.name])
        assert re.findall(r"`([a-z_]+)`", outside_parentheses) == [each.name for each in settings]
        for setting in settings:
            if setting.default:
                assert re.search(
                    rf"`{setting.name}` \(`?{re.escape(str(setting.default))}\b", rows[kind.name]
                )


def test_the_server_says_what_each_kind_needs(alice: Client) -> None:
    shown = {each["name"]: each for each in alice.get("/api/v1/channel-kinds").json["items"]}

    assert list(shown) == [kind.name for kind in KINDS]
    assert [each["name"] for each in shown["email"]["settings"] if each["is_required"]] == [
        "host",
        "sender",
    ]
    (port,) = (each for each in shown["email"]["settings"] if each["name"] == "port")
    assert port == {
        "name": "port",
        "label": "Port",
        "hint": "",
        "type": "integer",
        "choices": [],
        "default": 587,
        "is_required": False,
    }
    assert shown["slack"]["takes_decisions"]
    assert not shown["webhook"]["takes_decisions"]


@pytest.mark.parametrize(
    ("config", "path", "what"),
    [
        (
            {"kind": "pigeon"},
            "config.kind",
            "`pigeon` is no kind of channel; it must be `email`, `webhook`",
        ),
        ({"url": "https://example.com/"}, "config.kind", "say which kind"),
        ({"kind": 7}, "config.kind", "say which kind"),
        ({**EMAIL, "port": "587"}, "config.port", "expected `int`, got `str`"),
        ({**EMAIL, "security": "none"}, "config.security", "invalid"),
        ({**EMAIL, "host": "x" * 300}, "config.host", "may have at most 256 characters"),
        ({**EMAIL, "color": "red"}, "config", "unknown field `color`"),
        (
            {"kind": "email", "host": "mail.example.com"},
            "config",
            "missing required field `sender`",
        ),
        ({**EMAIL, "allow_networks": [7]}, "config[...][0]", "expected"),
        ({**EMAIL, "ca_pem": "x" * 70_000}, "config[...]", "may have at most 65,536 characters"),
    ],
)
def test_settings_that_do_not_fit_their_kind_are_refused_with_their_place(
    alice: Client, config: dict[str, Any], path: str, what: str
) -> None:
    answer = alice.post("/api/v1/channels", {"name": "c", "config": config, "credential": KEY})

    assert answer.status == 400
    (error,) = answer.json["errors"]
    assert error["path"] == path
    assert what in error["message"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_credential_that_cannot_be_is_refused_by_every_kind(kind: ChannelKind[Any]) -> None:
    given = {each.name: "x.example.com" for each in settings_of_kind(kind) if each.is_required}
    config = kind.config(**given)

    for credential in ("with\nbreak-0123456789", "umläute-0123456789", "x" * 5_000):
        why = kind.why_wrong(config, credential)
        assert why
        assert credential not in why


def test_a_channel_of_a_kind_that_this_version_does_not_know_hides_no_other(
    api_server: ApiServer, alice: Client
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        make_webhook(alice, receiver.url, "pigeons")
        api_server.state.write(
            lambda db: db.execute("UPDATE channels SET kind = 'pigeon' WHERE name = 'pigeons'")
        )

        post_notice(api_server, "alice@example.com")
        deliver(api_server)

    assert len(receiver.received) == 1
    shown = {each["name"]: each for each in alice.get("/api/v1/channels").json["items"]}
    assert "cannot be read" in shown["pigeons"]["config"]["ca_pem"]
    assert (
        alice.patch("/api/v1/channels/pigeons", {"is_enabled": False}).json["code"] == "unreadable"
    )
    assert alice.delete("/api/v1/channels/pigeons").status == 204


@pytest.mark.parametrize(
    "stored",
    [
        '{"kind":"email","allow_networks":["10.0.0.0/8"],"ca_pem":"","host":"mail.example.com",'
        '"sender":"ops@example.com","port":465,"security":"tls","username":"opsicle"}',
        '{"kind":"webhook","allow_networks":[],"ca_pem":"","url":"https://hooks.example.com/"}',
        '{"kind":"telegram","allow_networks":[],"ca_pem":"","base_url":"https://api.telegram.org"}',
        '{"kind":"slack","allow_networks":[],"ca_pem":"","base_url":"https://slack.com/api"}',
    ],
)
def test_settings_that_were_stored_before_there_were_descriptors_are_read_and_shown_as_they_are(
    api_server: ApiServer, alice: Client, stored: str
) -> None:
    make_webhook(alice, "https://hooks.example.com/")
    settings = json.loads(stored)
    row = {"kind": settings["kind"], "config": stored}
    api_server.state.write(
        lambda db: db.execute("UPDATE channels SET kind = :kind, config = :config", row)
    )

    assert alice.get("/api/v1/channels/hooks").json["config"] == settings
    assert alice.patch("/api/v1/channels/hooks", {"is_enabled": False}).json["config"] == settings
