"""People in chats: linking them to their accounts, and taking their decisions.

A decision from a chat is the account's, with the role that it has at this moment and the proof that
the approval asks for; the chat service only carries it. `decide` is the approvals' own way in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from opsicle.domain.access import Action
from opsicle.domain.approvals import ApprovalOutcome, ApprovalState, Verdict
from opsicle.domain.errors import (
    InvalidInput,
    NotAllowed,
    NotFound,
    OpsicleError,
)
from opsicle.kit.clock import Clock
from opsicle.security.api_tokens import token_hash
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import rights_of
from opsicle.server.channels import kinds
from opsicle.server.channels.chat_values import problem_text, values_in, values_question
from opsicle.server.channels.kind import Reach
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.identity.step_up import StepUp
from opsicle.server.store import audit, channels, chat_links, memberships, orgs
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.chat_links import LinkRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.approval_api import Approval, DecisionRequest
from opsicle.wire.channel_api import ChatLink, NewLinkCode

Decide = Callable[[Actor, str, Verdict, DecisionRequest], ApprovalOutcome]
"""decide(actor, approval id, verdict, reason and code) answers how the approval stands; raises
OpsicleError."""

PauseLookup = Callable[[Actor, str], Approval | None]
"""look(actor, approval id) answers with what they may see of it; raises OpsicleError."""

CODE_LIFETIME = timedelta(minutes=10)
_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH = 10
"""49 bits, for ten minutes, at most 50 tries from one chat user: nobody guesses one."""
_LINK = re.compile(rf"/?link\s+([0-9a-z]{{{_CODE_LENGTH}}})", re.IGNORECASE | re.ASCII)


class ChatPerson(NamedTuple):
    """Somebody on a channel: their id at the chat service, and the room where only they read."""

    channel: ChannelRow
    chat_user_id: str
    chat_id: str


class MissingInput(StrEnum):
    """What a decision still lacks."""

    VALUES = "values"
    TOTP = "totp"
    REASON = "reason"


class ChatDecision(NamedTuple):
    """What somebody wants to say, as far as they have said it; `values` as they typed them."""

    approval_id: str
    verdict: Verdict
    reason: str = ""
    values: str = ""
    totp: str = ""


class ChatOutcome(NamedTuple):
    """What to tell whoever decided, and what their decision lacks.

    Without it, it has not been made.
    """

    text: str
    wanted: MissingInput | None = None


def link_code_in(text: str) -> str:
    """Return the code in `/link CODE` or `link CODE`, "" if the text is anything else."""
    found = _LINK.fullmatch(text.strip())
    return found[1] if found else ""


class Chats:
    """What people do in chats."""

    def __init__(
        self,
        database: Database,
        step_up: StepUp,
        throttle: LoginThrottle,
        clock: Clock,
        decide: Decide,
        find_pause: PauseLookup,
    ) -> None:
        self._database = database
        self._step_up = step_up
        self._throttle = throttle
        self._clock = clock
        self._decide = decide
        self._find_pause = find_pause

    def make_code(self, actor: Actor, channel: str) -> NewLinkCode:
        """Return a one-time code by which a chat user shows that they are the caller.

        Raises NotFound, StepUpRequired; NotAllowed if an API token asks.
        """
        actor.require(Action.ACCOUNT_USE)
        if not actor.session_id:
            raise NotAllowed("an API token cannot link a chat", hint="Log in for this.")
        self._step_up.require(actor)
        code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))
        expires_at = self._clock.now() + CODE_LIFETIME

        def work(db: Connection) -> ChannelRow:
            row = _get_chat(db, actor.org_id, channel)
            chat_links.put_code(db, row.id, actor.user_id, token_hash(code), expires_at)
            return row

        return NewLinkCode(
            channel=self._database.write(work).name, code=code, expires_at=expires_at
        )

    def list_own(self, actor: Actor) -> list[ChatLink]:
        """Return every chat channel of the org, and whether the caller is linked there."""
        actor.require(Action.ACCOUNT_USE)

        def query(db: Connection) -> list[ChatLink]:
            links = {
                row.channel_id: row
                for row in chat_links.list_of_user(db, actor.org_id, actor.user_id)
            }

            return [
                ChatLink(
                    channel=row.name,
                    channel_kind=row.kind,
                    chat_user=links[row.id].chat_user_id if row.id in links else None,
                    linked_at=links[row.id].linked_at if row.id in links else None,
                )
                for row in channels.list_enabled(db, actor.org_id)
                if kinds.reach_of(row.kind) is Reach.CHAT
            ]

        return self._database.read(query)

    def unlink(self, actor: Actor, channel: str) -> None:
        """End the caller's link. Raises NotFound."""
        actor.require(Action.ACCOUNT_USE)

        def work(db: Connection) -> None:
            row = channels.find(db, actor.org_id, channel)
            if row is None or not chat_links.delete(db, row.id, actor.user_id):
                raise NotFound(f"you are not linked on a channel {channel}")
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "unlink_chat", f"channels/{row.name}"
            )

        self._database.write(work)

    def link(self, person: ChatPerson, code: str) -> str:
        """Link a chat user to the account whose code they show; what to tell them."""
        address = f"{person.channel.kind}:{person.channel.id}:{person.chat_user_id}"
        now = self._clock.now()

        def work(db: Connection) -> str | None:
            user_id = chat_links.use_link_code(
                db, person.channel.id, token_hash(code.strip().upper()), now
            )
            actor = _actor(db, person, user_id) if user_id else None
            if actor is None:
                self._throttle.note_refusal(db, address)
                return None

            org_id = person.channel.org_id
            chat_links.put(
                db,
                LinkRow(
                    person.channel.id,
                    person.chat_user_id,
                    org_id,
                    actor.user_id,
                    person.chat_id,
                    now,
                ),
            )
            audit.append(db, now, org_id, actor, "link_chat", f"channels/{person.channel.name}")
            return actor.email

        try:
            self._throttle.check_address(address)
        except OpsicleError as error:
            return error.message

        email = self._database.write(work)
        return (
            f"You are {email} here from now on."
            if email
            else "This code is not good, or no longer."
        )

    def decide_as(self, person: ChatPerson, decision: ChatDecision) -> ChatOutcome:
        """Decide as the account behind a chat user, with the role that it has now.

        Saying it again is harmless.
        """

        def query(db: Connection) -> Actor | None:
            channel = person.channel
            user_id = chat_links.find_user(db, channel.org_id, channel.id, person.chat_user_id)
            return _actor(db, person, user_id) if user_id else None

        actor = self._database.read(query)
        if actor is None:
            return ChatOutcome(
                "You are not linked to an account here. "
                "Ask Opsicle for a code, then send me: link CODE"
            )

        try:
            request = DecisionRequest(reason=decision.reason, totp=decision.totp)
            if decision.verdict is Verdict.APPROVE:
                pause = self._find_pause(actor, decision.approval_id)
                question = values_question(pause) if pause and pause.may_decide else ""
                if question and not decision.values:
                    return ChatOutcome(question, MissingInput.VALUES)
                if pause and decision.values:
                    request.values = dict(values_in(pause.asked_variables, decision.values))
            outcome = self._decide(actor, decision.approval_id, decision.verdict, request)
        except InvalidInput as error:
            return _lacking(decision, error)
        except OpsicleError as error:
            return ChatOutcome(
                f"{error.message}. {error.hint}" if error.hint else f"{error.message}."
            )
        return ChatOutcome(_outcome_text(decision.verdict, outcome))


def _lacking(decision: ChatDecision, error: InvalidInput) -> ChatOutcome:
    """Return what a decision lacks; a code that was wrong is asked for once more."""
    paths = {problem.path for problem in error.problems}
    if any(path.partition(".")[0] == "values" for path in paths):
        return ChatOutcome(f"{problem_text(error)}. Send me the values again.", MissingInput.VALUES)
    if "reason" in paths and not decision.reason:
        return ChatOutcome("Send me your reason.", MissingInput.REASON)
    if "totp" in paths:
        trouble = f"{error.message}. " if decision.totp else ""
        return ChatOutcome(
            f"{trouble}Send me a fresh code of your authenticator app.", MissingInput.TOTP
        )
    return ChatOutcome(f"{error.message}.")


def _outcome_text(verdict: Verdict, outcome: ApprovalOutcome) -> str:
    """Return what came of a decision, for whoever made it: theirs may not be the last one."""
    own = "Approved." if verdict is Verdict.APPROVE else "Rejected."
    if outcome.state is not ApprovalState.PENDING:
        return f"{own} {outcome.template} is {outcome.state}."
    return f"{own} It still waits for {outcome.waiting_for}."


def _actor(db: Connection, person: ChatPerson, user_id: str) -> Actor | None:
    """Return the account behind a chat user with the role that it has now.

    Return None if it may not come in.
    """
    channel = person.channel
    member, org = memberships.find(db, channel.org_id, user_id), orgs.find(db, channel.org_id)
    if member is None or not member.is_enabled or org is None:
        return None

    return Actor(
        user_id=member.user_id,
        email=member.email,
        name=member.name,
        org_id=org.id,
        org_code=org.code,
        role=member.role,
        channel=channel.kind,
        address=f"{channel.kind}:{person.chat_user_id}",
        rights=rights_of(db, org.id, member.user_id),
    )


def _get_chat(db: Connection, org_id: str, name: str) -> ChannelRow:
    row = channels.find(db, org_id, name)
    if row is None or kinds.reach_of(row.kind) is not Reach.CHAT or not row.is_enabled:
        raise NotFound(
            f"there is no chat channel {name}", hint="`opsicle channels links` shows them."
        )
    return row
