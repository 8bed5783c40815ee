"""How many automations one more worker could take: what autoscalers go by."""

from __future__ import annotations

import pytest

from opsicle.server import figures
from opsicle.server.access.actor import Actor
from tests.services.core import HELLO, Core


def asking(name: str, runs_on: str) -> str:
    return HELLO.replace("name: hello", f"name: {name}").replace(
        "  template:", f"  runsOn: {runs_on}\n  template:"
    )


def test_what_waits_is_counted_by_org_and_labels(core: Core, alice: Actor) -> None:
    core.push(alice, asking("both", "{labels: {zone: eu, site: ams}}"))
    core.push(alice, asking("some", '{where: "site in (ams, fra)"}'))

    for name in ("hello", "both", "both", "some"):
        core.run(alice, name)

    assert core.services.figures.waiting() == {
        ("acme", ""): 1,
        ("acme", "site=ams,zone=eu"): 2,
        ("acme", "site in (ams, fra)"): 1,
    }


def test_what_has_a_worker_waits_no_more(core: Core, alice: Actor) -> None:
    core.run(alice)
    core.worker(alice.org_id, "w1").poll()
    assert core.services.figures.waiting() == {}


def test_of_too_many_sets_of_labels_only_the_sum_is_shown(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_MOST_SETS", 2)
    for number in range(4):
        core.push(alice, asking(f"t{number}", f"{{labels: {{site: s{number}}}}}"))
        core.run(alice, f"t{number}")
    core.run(alice, "t3")

    shown = core.services.figures.waiting()

    assert (len(shown), shown["acme", "site=s3"], shown["", "other"]) == (3, 2, 2)
