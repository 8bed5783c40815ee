"""Calls about API tokens."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.endpoints import tokens as endpoints
from opsicle.wire.user_api import ApiToken, CreateApiTokenRequest, NewApiToken


class TokenCalls(Calls):
    """Tokens of the caller and of their service accounts."""

    def tokens(self, account: str = "") -> Iterator[ApiToken]:
        """Yield the caller's own tokens, or those of one of their service accounts."""
        return self._pages(endpoints.LIST_TOKENS, query={"account": account})

    def create_token(self, request: CreateApiTokenRequest) -> NewApiToken:
        """Make a token for a program."""
        return self._call(endpoints.CREATE, body=request)

    def delete_token(self, token_id: str) -> None:
        """End a token."""
        self._call(endpoints.DELETE, token_id)
