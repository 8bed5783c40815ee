"""Reading who is told how an automation ended."""

from __future__ import annotations

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.policies import Chat
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.template_parser import digest, parse_template
from opsicle.domain.templates import Notify
from tests.unit.template_sources import BODY, HEAD, in_spec


def test_all_of_it_is_read_and_kept() -> None:
    template = parse_template(
        in_spec(
            "notify:\n"
            "  - {states: [failed, timed_out], users: [Ops@Example.com], groups: [sre]}\n"
            "  - {chats: [{channel: slack, id: C123}, {channel: telegram, id: -100200}]}"
        ).encode()
    )

    assert template.notify == (
        Notify(
            states=(AutomationState.FAILED, AutomationState.TIMED_OUT),
            users=("ops@example.com",),
            groups=("sre",),
        ),
        Notify(chats=(Chat("slack", "C123"), Chat("telegram", "-100200"))),
    )
    assert decode_template(msgspec.json.encode(template)) == template


def test_a_template_without_it_is_the_same_as_before() -> None:
    template = parse_template((HEAD + BODY).encode())
    assert b"notify" not in msgspec.json.encode(template)
    assert digest(template) == digest(parse_template(in_spec("notify: []").encode()))
