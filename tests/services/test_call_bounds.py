"""What leads from template to template is followed so far, however many an org has."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.server.access.actor import Actor
from opsicle.server.approvals import called
from opsicle.server.templates import started_templates
from tests.services.core import Core

ONLY = """
apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec: {{template: {{phases: [{{name: act, {act}}}]}}}}
"""


def test_who_would_be_asked_is_not_looked_for_in_all_that_an_org_has(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, below in (("d", ""), ("c", "d"), ("b", "c"), ("a", "b")):
        act = f"call: {{template: {below}}}" if below else 'commands: ["true"]'
        core.push_again(alice, ONLY.format(name=name, act=act))

    assert not core.approvals.need(alice, "a").problem
    monkeypatch.setattr(called, "MOST_CALLS", 2)

    assert core.approvals.need(alice, "a").problem == "more than 2 templates would be called in all"


def test_a_way_back_is_not_looked_for_in_all_that_an_org_has(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, below in (("a", "b"), ("b", "c"), ("c", "d")):
        core.push_again(alice, ONLY.format(name=name, act=f"call: {{template: {below}}}"))
    back = ONLY.format(name="d", act="call: {template: a}")

    with pytest.raises(InvalidInput, match="d → a → b → c → d"):
        core.push_again(alice, back)
    monkeypatch.setattr(started_templates, "_MOST_FOLLOWED", 2)

    core.push_again(alice, back)
