"""People with what they have in their pockets.

An authenticator app, recovery codes, a telephone with Telegram.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opsicle.security import totp
from tests.api.telegram_api import TelegramUser
from tests.e2e.namespaces import inside
from tests.product import Place, Server, User
from tests.support import wait_until


@dataclass
class Authenticator:
    """Somebody's app, and the recovery codes for those who cannot wait for its next code."""

    secret: str
    recovery_codes: list[str] = field(default_factory=list)
    _step: int = 0

    def code(self) -> str:
        """Return a code that stays good for half a minute at least, however slow the machine is."""
        now = totp.step_of(datetime.now(UTC))
        step = max(self._step + 1, now)  # the step before may be over by the time it is looked at
        if step > now + totp.DRIFT_STEPS:
            return self.recovery_codes.pop()
        self._step = step
        return totp.code(base64.b32decode(self.secret), step)


@dataclass
class Phone:
    """Telegram on somebody's telephone, from a place that reaches the service."""

    user: TelegramUser
    place: Place

    def write(self, text: str) -> None:
        with inside(self.place):
            self.user.write(text)

    def press(self, data: str) -> None:
        with inside(self.place):
            self.user.press(data)

    def read(self) -> list[dict[str, Any]]:
        """Return what the bot has written since the last call."""
        with inside(self.place):
            return self.user.read()

    def wait_for(self, text: str) -> dict[str, Any]:
        """Return the first message with this text in it."""

        def find() -> dict[str, Any] | None:
            return next((message for message in self.read() if text in message["text"]), None)

        return wait_until(find, 60, f"{text!r} in Telegram")  # type: ignore[return-value]


class Colleague(User):
    """Somebody who came into an org by invitation."""

    app: Authenticator
    phone: Phone

    def join(self, server: Server, inviter: User, role: str, *more: str) -> Colleague:
        """Be invited by an admin, and accept."""
        invitation = inviter.json("users", "invite", "--email", self.email, "--role", role, *more)
        self.accept(server, invitation["url"])
        return self

    def enrol(self) -> Colleague:
        """Get an authenticator app."""
        self.app = Authenticator(self.json("totp", "enrol")["secret"])
        self.app.recovery_codes = self.json("totp", "confirm", "--totp", self.app.code())["codes"]
        return self

    def link(self, channel: str, phone: Phone) -> None:
        """Link the telephone's account of a chat service to this one."""
        phone.write(f"/link {self.json('channels', 'link', channel)['code']}")
        phone.wait_for(f"You are {self.email} here")
        self.phone = phone
