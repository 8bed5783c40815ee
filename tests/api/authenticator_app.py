"""Somebody's authenticator app, and the recovery codes that they have written down."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from opsicle.kit.clock import Clock
from opsicle.security import totp
from tests.api.running_server import ApiServer, Client


@dataclass
class App:
    """Shows the code of now, or of so many steps later."""

    clock: Clock
    secret: str
    recovery_codes: list[str]

    def code(self, later: int = 0) -> str:
        seed = base64.b32decode(self.secret)
        return totp.code(seed, totp.step_of(self.clock.now()) + later)


def enrol(api_server: ApiServer, client: Client) -> App:
    """Enrol an app as a person does.

    The code of this step is used up, and the client's session is proven.
    """
    begun = client.post("/api/v1/totp").json
    app = App(api_server.clock, begun["secret"], [])
    answer = client.post("/api/v1/totp/confirm", {"totp": app.code()})
    assert answer.status == 200, answer.content
    app.recovery_codes = answer.json["codes"]
    return app
