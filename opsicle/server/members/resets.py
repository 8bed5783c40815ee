"""Links for a new password by e-mail, where the org has an e-mail channel.

Whether there is such an account, nobody learns from asking: the answer is always the same. The link
goes to the account's own address, and only if the account is one org's alone: whoever runs an org's
mail server could read it, and must not get into another org by that.
"""

from __future__ import annotations

from opsicle.domain.notices import Notice, NoticeKind
from opsicle.domain.source_networks import source_network
from opsicle.kit.clock import Clock
from opsicle.server.access import validators
from opsicle.server.access.actor import AnonymousActor
from opsicle.server.channels.email_channels import find_email_channel
from opsicle.server.channels.outbox import Addressee, Outbox
from opsicle.server.identity.login_throttle import WINDOW, check_times
from opsicle.server.store import audit, login_attempts, memberships, users
from opsicle.server.store.database import Connection, Database

MAX_PER_ACCOUNT = 3
"""E-mails to one account within `WINDOW`: more would only annoy."""

MAX_PER_ADDRESS = 20
_MARK = "reset:"


class ForgottenPasswords:
    """Takes requests for a link from anybody."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock

    def request_link(self, email: str, address: str) -> None:
        """Queue an e-mail with a link, where there is anybody to get one.

        Raises InvalidInput for what is no address, TooManyRequests where too many asked from there.
        """
        wanted = validators.email_address(email)
        now = self._clock.now()

        def work(db: Connection) -> None:
            login_attempts.delete_until(db, now - WINDOW)
            place = _MARK + source_network(address)
            check_times(
                login_attempts.times_from_address(db, place, now - WINDOW), MAX_PER_ADDRESS, now
            )
            earlier = login_attempts.times_of_account(db, _MARK + wanted, now - WINDOW)
            login_attempts.insert(db, _MARK + wanted, place, now)
            if len(earlier) < MAX_PER_ACCOUNT:
                self._queue(db, wanted, address)

        self._database.write(work)

    def _queue(self, db: Connection, email: str, address: str) -> None:
        user = users.find_by_email(db, email)
        places = memberships.list_of_user(db, user.id) if user else []
        if user is None or len(places) != 1 or places[0].is_disabled:
            return

        channel = find_email_channel(db, places[0].org_id)
        if channel is None:
            return

        notice = Notice(
            kind=NoticeKind.PASSWORD_RESET,
            org_id=channel.org_id,
            recipients=(user.id,),
            subject="A new password for Opsicle",
        )
        self._outbox.queue(db, channel, notice, Addressee(user.id, user.email))

        anonymous = AnonymousActor(user.email, address)
        audit.append(
            db,
            self._clock.now(),
            channel.org_id,
            anonymous,
            "request_reset_link",
            f"users/{user.id}",
        )
