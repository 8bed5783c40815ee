"""Calls about the way in: setting up, logging in and out, who am I."""

from __future__ import annotations

from opsicle.client.calls import Calls
from opsicle.wire.endpoints import accounts as endpoints
from opsicle.wire.endpoints import server
from opsicle.wire.user_api import LoginReply, LoginRequest, Me, SetupRequest


class AccountCalls(Calls):
    """Setting up, logging in and out, and whom to trust as the server."""

    def ca(self) -> str:
        """Return the certificates, as PEM, that a client of this server may trust."""
        return self._call(server.CA).decode("ascii", "replace")

    def setup(self, request: SetupRequest) -> Me:
        """Create the first org and its admin."""
        return self._call(endpoints.SET_UP, body=request)

    def login(self, request: LoginRequest) -> LoginReply:
        """Begin a session. Raises TotpRequired where a code is needed too."""
        return self._call(endpoints.LOGIN, body=request)

    def logout(self) -> None:
        """End the session whose token this is."""
        self._call(endpoints.LOGOUT)

    def whoami(self) -> Me:
        """Return the caller."""
        return self._call(endpoints.WHOAMI)
