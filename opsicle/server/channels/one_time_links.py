"""The secret links that some e-mails carry, each made for the very attempt that sends it.

So the queue holds none, and neither do lists, logs and backups: only the hash of a link is kept. A
link that an earlier attempt has sent is void, as nobody can say any more where that message went.
"""

from __future__ import annotations

from datetime import timedelta

from opsicle.domain.notices import NoticeKind
from opsicle.kit.clock import Clock
from opsicle.security import api_tokens
from opsicle.server.channels.messages import CLOSED, ENDED, SHARED, Withheld
from opsicle.server.public_urls import Urls
from opsicle.server.store import invitations, memberships, password_resets, suspensions
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.deliveries import DeliveryRow

EMAILED_RESET_LIFETIME = timedelta(hours=1)


class OneTimeLinks:
    """Makes the links of messages that have one."""

    def __init__(self, database: Database, urls: Urls, clock: Clock) -> None:
        self._database = database
        self._urls = urls
        self._clock = clock

    def make(self, row: DeliveryRow) -> str | None:
        """Return the link for an attempt of a delivery, None for a kind that has none.

        Raises Undelivered where there is nothing more to be had by it.
        """
        if row.kind == NoticeKind.PASSWORD_RESET:
            return self._reset(row)
        if row.kind == NoticeKind.INVITATION:
            return self._invitation(row)
        return None

    def _reset(self, row: DeliveryRow) -> str:
        token, token_hash = api_tokens.new_reset_token()
        expires_at = self._clock.now() + EMAILED_RESET_LIFETIME
        user_id = row.user_id or ""

        def work(db: Connection) -> None:
            if len(memberships.list_of_user(db, user_id)) != 1:
                raise Withheld(SHARED, is_final=True)
            password_resets.put(db, row.org_id, user_id, token_hash, expires_at)

        self._database.write(work)
        return f"{self._urls.url}/reset#token={token}"

    def _invitation(self, row: DeliveryRow) -> str:
        token, token_hash = api_tokens.new_invitation_token()

        def work(db: Connection) -> None:
            if suspensions.is_suspended(db, row.org_id):
                raise Withheld(CLOSED)
            if not invitations.renew_token(db, row.org_id, row.id, token_hash, self._clock.now()):
                raise Withheld(ENDED, is_final=True)

        self._database.write(work)
        return f"{self._urls.url}/invitation#token={token}"
