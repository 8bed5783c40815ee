"""Who asks: made once per request from its proof, and handed to every service call."""

from __future__ import annotations

import msgspec

from opsicle.domain.access import FROZEN, SERVER_ACTIONS, Action
from opsicle.domain.errors import NotAllowed, Suspended
from opsicle.domain.rights import NO_RIGHTS, Rights
from opsicle.domain.rules import NamedResource
from opsicle.server.store.audit import Author


class Actor(msgspec.Struct, frozen=True):
    """A user of an org, and how they came in.

    `channel` is browser, cli or token; `address` the peer's.

    `rights` come from `access/rights.py: rights_of`; without them an actor may do nothing.
    `rotates` are the secrets whose update a token names among its scopes, if whoever made the token
    showed a fresh code for it. `is_suspended`: their org is, so that they change nothing in it.
    """

    user_id: str
    email: str
    name: str
    org_id: str
    org_code: str
    role: str
    channel: str
    address: str
    session_id: str = ""
    rights: Rights = NO_RIGHTS
    rotates: frozenset[str] = frozenset()
    is_suspended: bool = False

    @property
    def author(self) -> Author:
        """How this actor stands in the audit record."""
        return Author("user", self.user_id, self.email, self.channel, self.address)

    def may(self, action: Action, target: NamedResource | None = None) -> bool:
        """Return whether this actor may, with this template.

        Without a target: with anything at all.
        """
        return self.rights.may(action, target)

    def require(self, action: Action, target: NamedResource | None = None) -> None:
        """Raise NotAllowed unless this actor may, with this template.

        Without a target: with anything at all. Suspended where their org is, for what would change
        it; what would start something is asked again in its transaction, whoever starts it.
        """
        if self.is_suspended and action in FROZEN:
            raise Suspended.because("the org is suspended: nothing of it changes")
        if action in SERVER_ACTIONS and not self.may(action):
            raise NotAllowed(
                f"only a server operator may do this ({action})", hint="Ask who runs this server."
            )
        if not self.may(action, target):
            what = f"{action} of {target.name}" if target else str(action)
            why = self.rights.decide(action, target).why
            raise NotAllowed(
                f"the role {self.role} may not do this ({what}): {why}",
                hint="Ask an admin of your org for another role.",
            )


class WorkerActor(msgspec.Struct, frozen=True):
    """A worker, as its certificate and the database together say.

    A shared one is no org's: its `org_id` is empty, so that whatever goes by it finds nothing. What
    it does for an org is that of the job.
    """

    worker_id: str
    name: str
    org_id: str
    address: str
    is_shared: bool = False

    @property
    def record(self) -> str | None:
        """The org in whose record its own affairs stand; None for the server's."""
        return None if self.is_shared else self.org_id

    @property
    def author(self) -> Author:
        """How this worker stands in the audit record."""
        return Author("worker", self.worker_id, self.name, "worker", self.address)


class SystemActor(msgspec.Struct, frozen=True):
    """The server itself, for what no one asked for: leases that lapse, retention."""

    name: str = "server"

    @property
    def author(self) -> Author:
        """How the server stands in the audit record."""
        return Author("system", "", self.name, "system", "")


class AnonymousActor(msgspec.Struct, frozen=True):
    """Somebody who has not proven who they are; `claim` is who they say they are."""

    claim: str
    address: str

    @property
    def author(self) -> Author:
        """How this anonymous caller stands in the audit record."""
        return Author("anonymous", "", self.claim, "anonymous", self.address)
