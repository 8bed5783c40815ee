"""Who asks on the users' listener: a bearer token, or a browser's cookie."""

from __future__ import annotations

from functools import partial

from opsicle.domain.errors import NotAuthenticated
from opsicle.server.access.actor import Actor
from opsicle.server.http.origin import check_own_page_asks, csrf_token, session_token
from opsicle.server.http.request import Caller, Request
from opsicle.server.identity.sessions import Sessions

_BEARER = "Bearer "


class PersonAuthentication:
    """Finds the person behind a request on the users' listener."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def __call__(self, request: Request) -> Caller:
        """Return whose token or cookie came with the request.

        Raises NotAuthenticated, also for who is logged in to another org than the address names,
        or NotAllowed.
        """
        header = request.header("Authorization")
        if header:
            token = _bearer_token(header)
            actor = self._sessions.authenticate(token, request.address, "token")
            _check_org(request, actor)
            return Caller(actor, is_still_good=partial(self._sessions.is_good, token, actor.rights))

        token = session_token(request)
        actor = self._sessions.authenticate(token, request.address, "browser")
        _check_org(request, actor)
        caller = Caller(
            actor, csrf_token(token), partial(self._sessions.is_good, token, actor.rights)
        )
        check_own_page_asks(request, caller.csrf_token)
        return caller


def _check_org(request: Request, actor: Actor) -> None:
    """Raise NotAuthenticated where a page of one org asks with a session of another."""
    if request.org and request.org != actor.org_code:
        raise NotAuthenticated(
            "you are not logged in to the org that the address names", hint="Log in to it."
        )


def _bearer_token(header: str) -> str:
    if not header.startswith(_BEARER):
        raise NotAuthenticated(
            "the Authorization header is of a kind that we do not take", hint="Use a bearer token."
        )
    return header[len(_BEARER) :].strip()
