"""The table of states and their colours, which all that shows a state takes them from."""

from __future__ import annotations

import re

from tests.product import CHECKOUT

ASSETS = CHECKOUT / "assets"
TABLE = ASSETS / "css/states.css"
FAILURES = {"failed", "timed_out", "gave_up"}


def colours() -> list[tuple[str, str]]:
    """Return each state with its colour, as often as the table has it."""
    rules = re.findall(r"((?:\s*\.state-\w+,?)+) \{\s*--tone: var\(--(\w+)\)", TABLE.read_text())
    return [
        (state, colour)
        for states, colour in rules
        for state in re.findall(r"\.state-(\w+)", states)
    ]


def test_each_state_that_has_words_has_one_colour() -> None:
    source = (ASSETS / "components/states.js").read_text()
    texts = re.search(r"const TEXTS = \{(.*?)\n\};", source, re.DOTALL)
    assert texts is not None
    states = re.findall(r"^  (\w+):", texts[1], re.MULTILINE)

    assert sorted(state for state, _ in colours()) == sorted(states)


def test_red_is_for_failures_alone() -> None:
    assert {state for state, colour in colours() if colour == "bad"} == FAILURES


def test_no_other_style_sheet_gives_a_state_a_colour() -> None:
    others = set(ASSETS.glob("css/*.css")) - {TABLE}
    for sheet in others:
        for rule in re.findall(r"([^{}]*\.state-(?!dot)\w[^{}]*)\{([^{}]*)\}", sheet.read_text()):
            assert not re.search(r"--tone:|var\(--(good|bad|busy|wait|odd|calm)", rule[1]), (
                sheet.name
            )
