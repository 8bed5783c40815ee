"""A small model of who may approve what, which knows nothing of the engine.

What `approval_walk` compares with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from opsicle.wire.user_api import Automation

LIFETIME = 600
GROUP, OWN_ROLE, CHAT_USER = "oncall", "runner", "u1"
ROBOT, OWNER = "deploy", "alice"
"""The service account, and who answers for it."""

PEOPLE = ("alice", "bob", "carol", "dave", "mallory")
NAMES = (*PEOPLE, ROBOT)
DECIDERS = {"admin", "manager", "operator", "approver", "member"}


@dataclass(frozen=True)
class Rule:
    """What a version of the policy says: these may agree, so many of them."""

    roles: frozenset[str]
    with_manager: bool = False
    with_group: bool = False
    with_chat: bool = False
    allow_requester: bool = False
    required: int = 1

    def source(self) -> str:
        """Return the gate as a policy's document has it."""
        who = f"manager: {str(self.with_manager).lower()}, roles: [{', '.join(sorted(self.roles))}]"
        who += f", groups: [{GROUP}]" if self.with_group else ""
        who += f", chatUsers: [{{channel: telegram, id: {CHAT_USER}}}]" if self.with_chat else ""
        rest = f"required: {self.required}, expiresAfter: {LIFETIME}"
        rest += f", allowRequester: {str(self.allow_requester).lower()}"
        return f"{{name: g, approvers: {{{who}}}, {rest}}}"


@dataclass
class Asked:
    """One automation as the model knows it.

    `agreed` are accounts, of which each person's first word counts.
    """

    automation: Automation
    rule: Rule | None
    """None: nobody had to agree."""
    by: str
    at: float
    command: str
    names_policy: bool = True
    """Whether its version of the template names the policy."""
    is_altered: bool = False
    is_disturbed: bool = False
    """Its rows were written to: it may be held up, but what comes out must still be right."""
    agreed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    is_over: bool = False

    @property
    def is_agreed(self) -> bool:
        return (
            self.rule is None or len({principal(who) for who in self.agreed}) >= self.rule.required
        )


def principal(who: str) -> str:
    """Return the human being behind an account."""
    return OWNER if who == ROBOT else who


class Model:
    """Who may approve what, in few words."""

    def __init__(self) -> None:
        self.roles = {
            "alice": "operator",
            "bob": "manager",
            "carol": "admin",
            "dave": "approver",
            "mallory": "member",
        }
        self.roles[ROBOT] = "member"
        self.role_since = dict.fromkeys(NAMES, -1.0)
        self.own_role_since = -1.0
        """When the org's own role came to let people decide."""

        self.is_in = dict.fromkeys(NAMES, True)
        self.is_blind = dict.fromkeys(NAMES, False)
        """To whom the template is hidden."""

        self.manager: dict[str, str] = {"alice": "bob"}
        self.joined: dict[str, float] = {}
        self.linked = ""

        self.own_role_decides = True
        self.lets_shared_workers = True

        self.rule = Rule(frozenset({"admin"}), with_manager=True)
        """Of the policy that the template names, or did."""
        self.is_named = True
        """Whether the newest version names it."""

        self.default: Rule | None = None
        """Of the policy that applies by itself."""
        self.default_is_for_robots = False

        self.commands = ["echo 0", "echo 1"]
        """Of each version of the template."""

    def may_decide_at_all(self, who: str) -> bool:
        role, is_admin = self.roles[who], self.roles[who] == "admin"
        is_decider = role in DECIDERS or (role == OWN_ROLE and self.own_role_decides)
        return self.is_in[who] and is_decider and (is_admin or not self.is_blind[who])

    def may(self, rule: Rule, who: str, by: str, at: float) -> bool:
        """Return whether `who` may decide on what `by` asked for at that time.

        A robot may nothing that its owner may not.
        """
        is_named = (
            (self.roles[who] in rule.roles and self.role_since[who] < at)
            or (rule.with_manager and self.manager_of(by) == who)
            or (rule.with_group and self.joined.get(who, at) < at)
            or (rule.with_chat and self.linked == who)
        )
        accounts = (who, principal(who))
        is_able = all(
            self.may_decide_at_all(each) and self.decides_since(each) < at for each in accounts
        )
        return is_able and is_named and (rule.allow_requester or principal(who) != principal(by))

    def decides_since(self, who: str) -> float:
        since = self.role_since[who]
        return max(since, self.own_role_since) if self.roles[who] == OWN_ROLE else since

    def manager_of(self, by: str) -> str:
        return self.manager.get(by) or self.manager.get(principal(by), "")

    def able(self, rule: Rule, by: str, at: float) -> int:
        return len({principal(who) for who in NAMES if self.may(rule, who, by, at)})

    def default_of(self, by: str) -> list[Rule]:
        is_reached = by == ROBOT or not self.default_is_for_robots
        return [self.default] if self.default and is_reached else []

    def asked_of(self, by: str) -> Rule | None:
        """Return what is asked of who runs the newest version now, or one that names no policy."""
        return self.rule if self.is_named else next(iter(self.default_of(by)), None)

    def rules_now(self, asked: Asked) -> list[Rule]:
        if self.is_named:
            return [self.rule]
        return [*([self.rule] if asked.names_policy else []), *self.default_of(asked.by)]

    def holds(self, asked: Asked) -> bool:
        """Return whether what was agreed to may run now.

        By the policy as it was asked, and by those of now.
        """
        if asked.rule is None:
            return not asked.is_altered and not self.rules_now(asked)
        if asked.is_altered or not all(
            self.may_run(who) for who in (asked.by, principal(asked.by))
        ):
            return False
        return all(
            len({principal(who) for who in asked.agreed if self.may(rule, who, asked.by, asked.at)})
            >= rule.required
            for rule in (asked.rule, *self.rules_now(asked))
        )

    def may_run(self, who: str) -> bool:
        return self.is_in[who] and self.roles[who] != "reporter"
