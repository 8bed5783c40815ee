"""Calls about the people of an org."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.endpoints import users as endpoints
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest, User


class UserCalls(Calls):
    """People, each named by id or e-mail address."""

    def users(self) -> Iterator[User]:
        """Yield the people of the org."""
        return self._pages(endpoints.LIST_USERS)

    def user(self, who: str) -> User:
        """Return one person."""
        return self._call(endpoints.SHOW, who)

    def create_user(self, request: CreateUserRequest) -> User:
        """Add a person to the org."""
        return self._call(endpoints.CREATE, body=request)

    def update_user(self, who: str, request: UpdateUserRequest) -> User:
        """Change what is given of a person."""
        return self._call(endpoints.UPDATE, who, body=request)

    def delete_user(self, who: str, *, new_owner: str = "", is_confirmed: bool = False) -> None:
        """Remove a person from the org; their service accounts go to `new_owner`.

        Raises LeavesBehind where more would go with them, unless `is_confirmed`.
        """
        query = {"new_owner": new_owner, "confirmed": "true" if is_confirmed else ""}
        self._call(endpoints.DELETE, who, query=query)
