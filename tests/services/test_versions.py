"""Whatever people push is versioned by the same rules, since the same code does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.documents.versions import VersionDraft, add_version
from opsicle.server.store import audit, documents
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.target_api import PushTargetRequest
from tests.services.calling import trigger_source
from tests.services.core import Core
from tests.services.scheduling import HOURLY, schedule_source
from tests.services.targeting import push_target, target_source
from tests.services.team import MANAGER, policy_source, template_source

WAIVED = "  approvalPolicy: none\n"

Push = Callable[[str], Any]


@pytest.fixture
def carol(core: Core, alice: Actor) -> Actor:
    return core.person(alice.org_id, "carol", BuiltInRole.ADMIN)


@pytest.fixture(params=DocumentKind)
def kind(request: pytest.FixtureRequest) -> DocumentKind:
    return request.param


@pytest.fixture
def service(core: Core, kind: DocumentKind) -> Any:
    return {
        DocumentKind.TEMPLATE: core.services.templates,
        DocumentKind.POLICY: core.policies,
        DocumentKind.SCHEDULE: core.services.schedules,
        DocumentKind.TRIGGER: core.services.triggers,
        DocumentKind.TARGET: core.services.targets,
    }[kind]


@pytest.fixture
def push(core: Core, service: Any, kind: DocumentKind, carol: Actor) -> Push:
    """Push what says something else for each text."""

    def push(text: str) -> Any:
        if kind is DocumentKind.TEMPLATE:
            return service.push(
                carol, template_source("doc", "none", f"echo {text}").replace(WAIVED, "")
            )
        if kind is DocumentKind.SCHEDULE:
            return service.push(
                carol, schedule_source(HOURLY, f"values: {{who: {text}}}", name="doc")
            )
        if kind is DocumentKind.TRIGGER:
            return service.push(carol, trigger_source(f"values: {{who: {text}}}", name="doc"))
        if kind is DocumentKind.TARGET:
            return push_target(core, carol, f"description: {text}", name="doc")
        return service.push(carol, policy_source(MANAGER.replace("boss", text), "doc"))

    return push


def test_what_says_the_same_makes_no_version(push: Push, service: Any, carol: Actor) -> None:
    made = [push(text) for text in ("a", "a", "b", "a")]

    assert [(each.version, each.is_new) for each in made] == [
        (1, True),
        (1, False),
        (2, True),
        (3, True),
    ]
    assert [each.version for each in service.list_versions(carol, "doc", "", 10).items] == [3, 2, 1]
    assert service.get(carol, "doc", 1).digest == service.get(carol, "doc").digest


def test_of_two_pushes_at_once_each_gets_a_number(push: Push) -> None:
    pushes = [gevent.spawn(push, text) for text in ("a", "b")]
    gevent.joinall(pushes, timeout=60, raise_error=True)

    assert {each.value.version for each in pushes} == {1, 2}


def test_a_name_is_free_once_its_document_is_deleted(
    push: Push, service: Any, carol: Actor
) -> None:
    push("a")
    push("b")
    service.delete(carol, "doc")

    for call in (service.get, lambda *given: service.list_versions(*given, "", 10), service.delete):
        with pytest.raises(
            NotFound, match=r"there is no (template|policy|schedule|trigger|target) doc"
        ):
            call(carol, "doc")
    assert push("b").version == 1


def test_what_is_absent_is_named_as_what_it_is(
    service: Any, kind: DocumentKind, carol: Actor, push: Push
) -> None:
    push("a")

    with pytest.raises(NotFound) as refused:
        service.get(carol, "doc", 7)

    assert refused.value.message == f"there is no version 7 of a {kind} doc"
    assert refused.value.hint == f"`opsicle {kind.plural} list` shows them."


def test_a_number_that_does_not_follow_the_newest_is_refused_and_nothing_kept(
    core: Core, kind: DocumentKind, push: Push, carol: Actor
) -> None:
    push("a")
    draft = VersionDraft(kind, "doc", "sha256:other", "", "{}")

    def work(db: Any) -> None:
        stale = documents.find_newest(db, kind, carol.org_id, "doc")
        db.execute(f"UPDATE {kind.plural} SET latest_version = 4")
        add_version(db, carol, draft, stale, core.clock.now(), {})

    with pytest.raises(Conflict, match=f"the {kind} doc changed meanwhile"):
        core.database.write(work)
    assert push("a").version == 1


def test_another_org_changes_nothing_and_the_record_says_what_was_pushed(
    core: Core, kind: DocumentKind, push: Push, service: Any
) -> None:
    made = push("a")
    mallory = core.person(core.org("elsewhere"), "mallory", BuiltInRole.ADMIN)
    with pytest.raises(NotFound):
        service.delete(mallory, "doc")

    def query(db: Any) -> list[tuple[str, str]]:
        found = db.execute(
            "SELECT verb, data FROM audit_entries WHERE resource = ?", (f"{kind.plural}/doc",)
        )
        return found.fetchall()

    [(verb, data), *others] = core.database.read(query)
    assert verb == "push"
    assert [each for each, _ in others] == (["rotate"] if kind is DocumentKind.TRIGGER else [])
    assert made.digest in data


def test_why_a_version_was_pushed_stays_with_it_and_in_the_record(
    core: Core, service: Any, kind: DocumentKind, carol: Actor
) -> None:
    source = {
        DocumentKind.TEMPLATE: template_source("doc", "none").replace(WAIVED, ""),
        DocumentKind.POLICY: policy_source(MANAGER, "doc"),
        DocumentKind.SCHEDULE: schedule_source(HOURLY, name="doc"),
        DocumentKind.TRIGGER: trigger_source(name="doc"),
        DocumentKind.TARGET: target_source(name="doc"),
    }[kind]
    why = "for INC-4711 "

    if kind is DocumentKind.TARGET:
        service.push(carol, PushTargetRequest(source, why))
    else:
        service.push(carol, source, why)

    [version] = service.list_versions(carol, "doc", "", 10).items
    entry = core.database.read(
        lambda db: audit.find_push(db, carol.org_id, f"{kind.plural}/doc", 1)
    )
    assert version.message == service.get(carol, "doc").message == "for INC-4711"
    assert '"message":"for INC-4711"' in entry.data
