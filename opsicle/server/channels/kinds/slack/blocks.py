"""What Slack shows: messages with buttons, and the dialog that asks for a reason and a code.

Everything that people wrote is `plain_text`, in which nothing is a mention, a link or markup.
"""

from __future__ import annotations

import json
from typing import Any

from opsicle.domain.approvals import Verdict
from opsicle.domain.bounds import MAX_REASON_CHARACTERS
from opsicle.domain.notices import DECISION_REQUESTS
from opsicle.server.channels.messages import CUT, Message, lines_of, one_line

OPEN = "open"
DECISION, VALUES, REASON, TOTP = "decision", "values", "reason", "totp"

_MAX_SECTION_CHARACTERS = 2900
"""Slack takes 3000."""

_MAX_SECTIONS = 3
MAX_FALLBACK_CHARACTERS = 150
_MAX_CODE_CHARACTERS = 40
"""A recovery code is longer than an app's."""

Block = dict[str, Any]


def blocks_of(message: Message) -> list[Block]:
    """Return a message.

    Whoever is asked to decide gets the two buttons; who can look closer, a third one that leads
    there.
    """
    facts = [line for fact in message.facts for line in lines_of(fact)]
    blocks = sections("\n".join([one_line(message.subject), *facts]))

    buttons = []
    if message.kind in DECISION_REQUESTS and message.approval_id:
        buttons += [_button("Approve", Verdict.APPROVE, "primary", message.approval_id)]
        buttons += [_button("Reject", Verdict.REJECT, "danger", message.approval_id)]
    if message.url:
        buttons.append(
            {
                "type": "button",
                "action_id": OPEN,
                "text": plain("Open the page"),
                "url": message.url,
            }
        )
        blocks.append({"type": "section", "text": plain(message.url)})

    return [*blocks, {"type": "actions", "elements": buttons}] if buttons else blocks


def sections(text: str) -> list[Block]:
    """Return a text as blocks; one that is too long says that it was cut."""
    most = _MAX_SECTION_CHARACTERS * _MAX_SECTIONS
    text = text if len(text) <= most else text[: most - len(CUT)] + CUT
    starts = range(0, len(text), _MAX_SECTION_CHARACTERS)
    return [
        {"type": "section", "text": plain(text[start : start + _MAX_SECTION_CHARACTERS])}
        for start in starts
    ]


def fallback(text: str) -> str:
    """Return what a notification shows.

    Slack reads markup in it, so what would be some is written out.
    """
    short = one_line(text)[:MAX_FALLBACK_CHARACTERS]
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def dialog(approval_id: str, verdict: Verdict, question: str, wanted: str) -> Block:
    """Return what asks for a reason and a code, and for values where those are wanted.

    `wanted`, one of them, must be given.
    """
    values = {VALUES: ("Values", _MAX_SECTION_CHARACTERS)} if wanted == VALUES else {}
    labels = {
        **values,
        REASON: ("Reason", MAX_REASON_CHARACTERS),
        TOTP: ("Code of your authenticator app", _MAX_CODE_CHARACTERS),
    }
    fields = [
        {
            "type": "input",
            "block_id": name,
            "optional": name != wanted,
            "label": plain(label),
            "element": {
                "type": "plain_text_input",
                "action_id": name,
                "multiline": name in {REASON, VALUES},
                "max_length": most,
            },
        }
        for name, (label, most) in labels.items()
    ]
    word = "Approve" if verdict is Verdict.APPROVE else "Reject"

    return {
        "type": "modal",
        "callback_id": DECISION,
        "private_metadata": json.dumps({"approval_id": approval_id, "verdict": verdict}),
        "title": plain(word),
        "submit": plain(word),
        "close": plain("Cancel"),
        "blocks": [*sections(question), *fields],
    }


def plain(text: str) -> Block:
    """Return a text that Slack shows as it is."""
    return {"type": "plain_text", "text": text, "emoji": False}


def _button(label: str, action: str, style: str, approval_id: str) -> Block:
    return {
        "type": "button",
        "action_id": action,
        "text": plain(label),
        "style": style,
        "value": approval_id,
    }
