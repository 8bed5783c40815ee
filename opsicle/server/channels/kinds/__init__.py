"""The kinds of channel, one folder each. A new one is its folder and its line in `KINDS`."""

from __future__ import annotations

from typing import Any

from opsicle.server.channels.kind import ChannelKind, Reach
from opsicle.server.channels.kinds import email, mattermost, slack, teams, telegram, webhook

KINDS: tuple[ChannelKind[Any], ...] = (
    email.KIND,
    webhook.KIND,
    telegram.KIND,
    slack.KIND,
    mattermost.KIND,
    teams.KIND,
)
"""In the order in which forms and documentation name them."""

_BY_NAME = {kind.name: kind for kind in KINDS}


def find(name: str) -> ChannelKind[Any] | None:
    """Return a kind by its name, or None."""
    return _BY_NAME.get(name)


def reach_of(name: str) -> Reach | None:
    """Return whom channels of a kind reach; None if this version does not know the kind."""
    kind = find(name)
    return kind.reaches if kind else None
