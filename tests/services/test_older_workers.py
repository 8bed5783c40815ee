"""What waits since a worker is too old to be told all of it, and what does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opsicle.domain import manifest_formats
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS, Format
from opsicle.server.access.actor import Actor
from opsicle.wire.user_api import RunRequest
from tests.services.core import Core
from tests.services.queueing import LONG_SECONDS, hold_polls_for_long


@pytest.fixture
def without_reasons(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the reason out of format 1, as if that field had come in a later one."""
    first = manifest_formats.FORMATS[1]
    fields = tuple(name for name in first.always["Manifest"] if name != "reason")
    older = Format({**first.always, "Manifest": fields}, first.later)
    caches = (manifest_formats._plan, manifest_formats._is_complete)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(manifest_formats, "FORMATS", {**manifest_formats.FORMATS, 1: older})
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("without_reasons")
def test_what_an_older_worker_cannot_be_told_all_of_says_so_while_it_waits(
    core: Core, alice: Actor
) -> None:
    older = core.worker(alice.org_id, "w1")
    older.formats = (1,)
    asked = core.automations.create(alice, RunRequest(template="hello", reason="it hangs"))

    for _ in range(2):
        assert older.poll().work == ()

    assert (
        core.automations.get(alice, asked.id).waiting_reason
        == "no connected worker understands manifest format 2; update w1"
    )
    newer = core.worker(alice.org_id, "w2")
    assert [work.automation_id for work in newer.poll().work] == [asked.id]


@pytest.mark.usefixtures("without_reasons")
def test_what_the_workers_that_wait_longest_are_too_old_for_goes_at_once_to_one_that_is_not(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_polls_for_long(monkeypatch)
    for name in ("w1", "w2"):
        older = core.worker(alice.org_id, name)
        older.formats = (1,)
        older.poll_in_background(LONG_SECONDS)
    newer = core.worker(alice.org_id, "w3").poll_in_background(LONG_SECONDS)

    asked = core.automations.create(alice, RunRequest(template="hello", reason="it hangs"))

    assert [work.automation_id for work in newer.get(timeout=60).work] == [asked.id]


@pytest.mark.usefixtures("without_reasons")
def test_a_worker_that_could_be_told_all_and_is_busy_is_why_it_waits(
    core: Core, alice: Actor
) -> None:
    newer = core.worker(alice.org_id, "w2")
    core.run(alice)
    newer.poll()
    older = core.worker(alice.org_id, "w1")
    older.formats = (1,)
    asked = core.automations.create(alice, RunRequest(template="hello", reason="it hangs"))
    older.poll()
    newer.poll()

    waits = core.automations.get(alice, asked.id)

    assert waits.waiting_reason == "w2 is busy (its only slot)"


@pytest.mark.usefixtures("without_reasons")
def test_a_worker_that_was_updated_is_no_reason_to_wait_any_more(core: Core, alice: Actor) -> None:
    """Nor does the first in the queue of which it cannot be told all hide those behind it."""
    worker = core.worker(alice.org_id, "w1")
    worker.formats = (1,)
    request = RunRequest(template="hello", reason="it hangs")
    both = [core.automations.create(alice, request) for _ in range(2)]

    def reasons() -> list[str]:
        return [core.automations.get(alice, each.id).waiting_reason for each in both]

    for _ in both:
        worker.poll()
    before = reasons()
    worker.formats = SUPPORTED_FORMATS
    (work,) = worker.poll().work

    assert before == ["no connected worker understands manifest format 2; update w1"] * 2
    assert work.automation_id == both[0].id
    assert reasons()[1] == "w1 is busy (its only slot)"
