"""Somebody who runs the server and is a member of no org that they operate."""

from __future__ import annotations

import msgspec

from opsicle.domain.access import Action, BuiltInRole
from opsicle.server.access.actor import Actor
from tests.services.core import Core


def server_operator(core: Core) -> Actor:
    """Return one, who is the admin of an org of their own."""
    oscar = core.person(core.org("hosting"), "oscar", BuiltInRole.ADMIN)
    operates = frozenset({Action.SERVER_MANAGE})
    return msgspec.structs.replace(
        oscar, org_code="hosting", rights=oscar.rights.with_server_actions(operates)
    )
