"""Messages as a channel's kind gets them to compose."""

from __future__ import annotations

from datetime import UTC, datetime

from opsicle.domain.notices import NoticeKind
from opsicle.server.channels.messages import Fact, Message

PAGE = "https://ops.example.com/approvals/a1"


def message(subject: str = "restart-web waits", **facts: str) -> Message:
    """Return the message that asks for an approval, with a link to `PAGE`."""
    return Message(
        id="d1",
        kind=NoticeKind.APPROVAL_REQUESTED,
        org="acme",
        target="",
        subject=subject,
        facts=tuple(Fact(label, text) for label, text in facts.items()),
        url=PAGE,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
