"""Calls about orgs, and by those who run the server."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire import org_api as wire
from opsicle.wire.endpoints import orgs as endpoints
from opsicle.wire.user_api import LoginReply


class OrgCalls(Calls):
    """Orgs, each named by its code, and the server as a whole."""

    def orgs(self) -> Iterator[wire.Org]:
        """Yield the orgs that the caller belongs to."""
        return self._pages(endpoints.LIST_ORGS)

    def all_orgs(self) -> Iterator[wire.Org]:
        """Yield all orgs of the server, for those who run it."""
        return self._pages(endpoints.LIST_ALL)

    def org(self, code: str) -> wire.Org:
        """Return one of the caller's orgs."""
        return self._call(endpoints.SHOW, code)

    def create_org(self, request: wire.CreateOrgRequest) -> wire.CreatedOrg:
        """Found an org."""
        return self._call(endpoints.CREATE, body=request)

    def update_org(self, code: str, request: wire.UpdateOrgRequest) -> wire.Org:
        """Change what is given of the org that the session is for."""
        return self._call(endpoints.UPDATE, code, body=request)

    def switch(self, code: str, *, is_kept: bool) -> LoginReply:
        """Begin a session in another org; this one ends unless it `is_kept`."""
        return self._call(endpoints.SWITCH, code, body=wire.SwitchRequest(is_kept=is_kept))

    def invite_admin(self, code: str, email: str) -> wire.NewInvitation:
        """Make the link for the admin of an org that has none, as somebody who runs the server."""
        request = wire.InviteAdminRequest(email=email)
        return self._call(endpoints.INVITE_ADMIN, code, body=request)

    def server_operators(self) -> Iterator[wire.ServerOperator]:
        """Yield those who run the server."""
        return self._pages(endpoints.LIST_SERVER_OPERATORS)

    def name_server_operator(self, email: str) -> wire.ServerOperator:
        """Let the owner of an account run the server too."""
        request = wire.NameServerOperatorRequest(email=email)
        return self._call(endpoints.ADD_SERVER_OPERATOR, body=request)

    def drop_server_operator(self, who: str) -> None:
        """Take running the server from somebody."""
        self._call(endpoints.REMOVE_SERVER_OPERATOR, who)

    def release_queue(self) -> wire.ServerState:
        """Hand out what waits on a restored server."""
        return self._call(endpoints.RELEASE_QUEUE)
