"""Values of a pause that are given in a chat: by whoever may decide, seen, typed and checked."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.approvals import Verdict
from opsicle.server.channels.chat_questions import ChatQuestions
from opsicle.server.channels.chats import ChatDecision, ChatPerson, MissingInput
from opsicle.server.channels.kinds.slack.blocks import dialog
from opsicle.server.channels.kinds.slack.inbox import decision_in
from opsicle.server.channels.kinds.slack.transport import SubmittedView
from opsicle.server.store import channels, chat_links
from opsicle.server.store.chat_links import LinkRow
from tests.services.pausing import BOB, Paused, paused, source
from tests.services.team import Team, channel_row

LAG = (
    "variables: [{id: lag, type: number, isRequired: true, max: 30, label: Seconds},"
    " {id: hosts, multiple: true}]"
)
BOTH = "approvers: {users: [bob@example.com, carol@example.com]}, required: 2"


class PausedInChat:
    """A job that waits for values, and people who are linked to a bot of the org."""

    def __init__(self, team: Team, who: str = BOB) -> None:
        core = team.core
        self.case: Paused = paused(team, source(f"message: Look!, {who}, {LAG}"))
        by = team.people["carol"].user_id
        self.channel = channel_row(team.org_id, "c1", "bot", "telegram", core.clock.now(), by)
        core.database.write(lambda db: channels.insert(db, self.channel, None))
        self.questions = ChatQuestions(core.services.chats, core.clock)

    def person(self, name: str) -> ChatPerson:
        team = self.case.team
        user_id, now = team.people[name].user_id, team.core.clock.now()
        row = LinkRow(self.channel.id, name, team.org_id, user_id, name, now)
        team.core.database.write(lambda db: chat_links.put(db, row))
        return ChatPerson(self.channel, name, name)

    def press(self, name: str, verdict: Verdict = Verdict.APPROVE) -> str:
        return self.questions.press(self.person(name), verdict, self.case.approval_id)

    def write(self, name: str, text: str) -> str:
        return self.questions.answer(self.person(name), text)


def test_approving_asks_for_the_values_which_the_job_then_gets(team: Team) -> None:
    chat = PausedInChat(team)

    assert chat.press("bob").splitlines() == [
        "Send me the values, each on a line of its own:",
        "lag=… (Seconds, number, needed)",
        "hosts=… (string)",
    ]
    assert chat.write("bob", " lag = 3\nhosts=a=b\nhosts=c\n") == "Approved. paused is approved."

    assert chat.case.go_on().values == {"lag": 3, "hosts": ["a=b", "c"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lag=much", "lag: "),
        ("lag=31", "lag: "),
        ("3", "no line such as `lag=…`"),
        ("leg=3", "it asks for no `leg`"),
        ("lag=3\nlag=4", "given more than once"),
        ("hosts=a", "lag: "),
    ],
)
def test_values_that_do_not_fit_are_named_and_asked_for_again(
    team: Team, text: str, said: str
) -> None:
    chat = PausedInChat(team)
    chat.press("bob")

    answer = chat.write("bob", text)

    assert said in answer
    assert chat.case.now.state == "paused"
    assert chat.write("bob", "lag=3") == "Approved. paused is approved."


def test_whoever_comes_later_agrees_to_what_they_have_seen_and_said_themselves(team: Team) -> None:
    chat = PausedInChat(team, BOTH)
    chat.press("bob")
    chat.write("bob", "lag=3")

    assert chat.press("carol").splitlines()[1:] == ["lag=3"]
    assert "others have agreed to other values" in chat.write("carol", "lag=4")
    assert chat.case.now.state == "paused"

    chat.press("carol")
    assert chat.write("carol", "lag=3") == "Approved. paused is approved."


def test_who_may_not_decide_is_asked_for_no_values(team: Team) -> None:
    chat = PausedInChat(team)

    assert "not among those who decide" in chat.press("carol")
    assert chat.write("carol", "lag=3") == ""
    assert chat.case.now.state == "paused"


def test_a_rejection_needs_no_values(team: Team) -> None:
    assert PausedInChat(team).press("bob", Verdict.REJECT).startswith("Rejected.")


def test_a_dialog_of_slack_has_a_field_for_values_which_is_read_from_it() -> None:
    shown = dialog("a1", Verdict.APPROVE, "Send me the values", MissingInput.VALUES)
    fields = {block["block_id"]: block for block in shown["blocks"] if "block_id" in block}
    assert not fields["values"]["optional"]
    assert fields["values"]["element"]["multiline"]

    sent = {
        "callback_id": shown["callback_id"],
        "private_metadata": shown["private_metadata"],
        "state": {"values": {"values": {"values": {"type": "x", "value": "lag=3"}}}},
    }
    decided = decision_in(msgspec.convert(sent, SubmittedView))

    assert decided == ChatDecision("a1", Verdict.APPROVE, values="lag=3")
