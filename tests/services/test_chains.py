"""What a template starts once it has ended: once, with the rights of now, and told where it is not.

`hello` takes `who`; see `chaining.py` for the template that starts it.
"""

from __future__ import annotations

import gevent
import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.calls import MAX_DEPTH
from opsicle.domain.errors import InvalidInput, NotAllowed
from opsicle.domain.rights import grants_of
from opsicle.domain.rules import parse_rule
from opsicle.server.access.actor import Actor
from opsicle.server.store import memberships
from opsicle.wire.starts import StartedBy, StarterKind
from opsicle.wire.user_api import Automation
from tests.services.calling import push_trigger
from tests.services.chaining import chained, first, run_first, turn
from tests.services.core import Core
from tests.services.scheduling import HOURLY, push_schedule, record, started

ON_SUCCESS = "onSuccess: [{template: hello, values: {who: {output: path}}}]"


def push(core: Core, actor: Actor, *lines: str, name: str = "first") -> None:
    core.push_again(actor, first(*lines, name=name))


def child_of(core: Core, actor: Actor, automation: Automation) -> Automation:
    [start] = core.automations.get(actor, automation.id).chained_starts
    assert start.automation_id, start.reason
    return core.automations.get(actor, start.automation_id)


def refusal(core: Core, actor: Actor, automation: Automation) -> str:
    [start] = core.automations.get(actor, automation.id).chained_starts
    assert start.state == "refused"
    return start.reason


def test_a_success_starts_what_follows_it_with_its_outputs(core: Core, alice: Actor) -> None:
    push(core, alice, ON_SUCCESS, "onFailure: [{template: hello}]")
    parent = run_first(core, alice)

    turn(core)

    follows, other = core.automations.get(alice, parent.id).chained_starts
    assert (follows.event, follows.template, follows.state) == ("success", "hello", "started")
    assert other.state == "not_due"
    child = core.automations.get(alice, follows.automation_id or "")
    assert child.values == {"who": "/tmp/a"}
    assert child.started_by == StartedBy(StarterKind.CHAIN, "first", parent.id)
    assert (child.requester.email, child.depth) == (alice.email, 1)


@pytest.mark.parametrize(("state", "starts"), [("failed", 1), ("timed_out", 1), ("cancelled", 0)])
def test_a_failure_and_what_timed_out_start_what_follows_a_failure(
    core: Core, alice: Actor, state: str, starts: int
) -> None:
    push(core, alice, "onFailure: [{template: hello}]")
    parent = run_first(core, alice, state)

    turn(core)

    assert len(started(core, alice)) == 1 + starts
    [start] = chained(core, alice, parent)
    assert start["state"] == ("started" if starts else "not_due")


def test_what_nobody_can_say_the_end_of_starts_nothing_until_its_worker_tells(
    core: Core, alice: Actor
) -> None:
    push(core, alice, ON_SUCCESS)
    worker = core.worker(alice.org_id, "w1")
    parent = core.run(alice, "first")
    [work] = worker.poll().work
    worker.start(work)
    assert [each["state"] for each in chained(core, alice, parent)] == ["waiting"]

    worker.finish(work, "unknown", None)
    turn(core)
    assert [each["state"] for each in chained(core, alice, parent)] == ["waiting"]

    worker.finish(work)
    turn(core)
    assert child_of(core, alice, parent).state == "queued"


def test_values_of_variables_and_literals_are_handed_on_as_the_other_template_takes_them(
    core: Core, alice: Actor
) -> None:
    source = first(name="x").replace(
        "[{id: host, default: db1}, {id: count, type: number, default: 3}]",
        "[{id: n, type: number}, {id: t}, {id: b, type: bool}]",
    )
    core.push_again(alice, source)
    push(
        core,
        alice,
        "onSuccess: [{template: x, values: {n: {output: path}, t: {variable: count}, b: true}}]",
    )
    parent = run_first(core, alice, path="42")

    turn(core)

    assert child_of(core, alice, parent).values == {"n": 42, "t": "3", "b": True}


def test_a_masked_output_is_refused_by_its_name(core: Core, alice: Actor) -> None:
    push(core, alice, ON_SUCCESS)
    parent = run_first(core, alice, path="***", is_masked=True)

    turn(core)
    turn(core)

    assert "the output path holds a secret" in refusal(core, alice, parent)
    assert len(started(core, alice)) == 1
    entries = record(core, alice, f"automations/{parent.id}")
    assert [verb for verb, _ in entries].count("refuse_start") == 1


def test_turns_at_once_start_it_once(core: Core, alice: Actor) -> None:
    push(core, alice, ON_SUCCESS)
    run_first(core, alice)

    gevent.joinall([gevent.spawn(turn, core) for _ in range(5)], raise_error=True)

    assert len(started(core, alice)) == 2


def test_a_server_that_dies_between_the_end_and_the_start_starts_it_once(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies in the midst of the start's transaction, and is there again."""
    push(core, alice, ON_SUCCESS)
    parent = run_first(core, alice)

    def dies(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as killed:
        killed.setattr("opsicle.server.store.automations.insert", dies)
        turn(core)
    assert [each["state"] for each in chained(core, alice, parent)] == ["due"]

    again = core.restart()
    try:
        turn(again)
        turn(again)
        assert len(started(again, alice)) == 2
    finally:
        again.close()


def test_it_starts_with_the_rights_of_the_moment(core: Core, alice: Actor) -> None:
    push(core, alice, ON_SUCCESS)
    parent = run_first(core, alice)
    core.database.write(
        lambda db: memberships.update(
            db,
            alice.org_id,
            msgspec.structs.replace(
                memberships.find(db, alice.org_id, alice.user_id), role=BuiltInRole.REPORTER
            ),
        )
    )

    turn(core)

    assert "may not do this" in refusal(core, alice, parent)


def test_a_token_has_nothing_started_that_its_scopes_leave_out(core: Core, alice: Actor) -> None:
    push(core, alice, "onFailure: [{template: hello}]", name="second")
    push(core, alice, "onSuccess: [{template: second}]")

    def by_token(*names: str) -> Actor:
        rules = [f"allow {verb} templates/{name}" for name in names for verb in ("view", "execute")]
        rules += ["allow manage schedules", "allow manage triggers"]
        scopes = grants_of([parse_rule(rule) for rule in rules], "scopes")
        return msgspec.structs.replace(alice, rights=alice.rights.below(scopes))

    for names, missing in [(["first"], "second"), (["first", "second"], "hello")]:
        with pytest.raises(NotAllowed, match=f"first starts {missing}, which the scopes"):
            core.run(by_token(*names), "first")
    for push_later, line in [(push_schedule, HOURLY), (push_trigger, "verify: bearer")]:
        with pytest.raises(NotAllowed, match="first starts hello, which the scopes"):
            push_later(core, by_token("first", "second"), line, template="first")
    assert core.run(by_token("first", "second", "hello"), "first").state == "queued"


def test_a_template_that_is_not_there_is_said_at_the_push_and_at_the_parent(
    core: Core, alice: Actor
) -> None:
    pushed = core.services.templates.push(alice, first("onSuccess: [{template: gone}]"))
    assert [(each.path, "there is no template gone" in each.message) for each in pushed.warnings][
        -1
    ] == ("spec.onSuccess[0].template", True)
    parent = run_first(core, alice)

    turn(core)

    assert refusal(core, alice, parent) == "there is no template gone"


def test_loops_are_refused_at_the_push_with_their_way(core: Core, alice: Actor) -> None:
    push(core, alice, "onSuccess: [{template: b}]", name="a")
    push(core, alice, "onFailure: [{template: c}]", name="b")

    with pytest.raises(InvalidInput, match="c would start itself again and again: c → a → b → c"):
        push(core, alice, "onSuccess: [{template: hello}, {template: a}]", name="c")
    with pytest.raises(InvalidInput, match="d → d") as refused:
        push(core, alice, "onSuccess: [{template: d}]", name="d")
    assert refused.value.problems[0].path == "spec.onSuccess[0].template"


def test_what_comes_to_be_a_loop_otherwise_ends_at_the_depth(core: Core, alice: Actor) -> None:
    """A push that looks the other way: the document goes into the store as it is."""
    core.push(alice, first("onSuccess: [{template: first}]"))
    last = run_first(core, alice)

    for _ in range(MAX_DEPTH):
        turn(core)
        [work] = (worker := core.worker(alice.org_id, f"again{core.clock.elapsed()}")).poll().work
        worker.start(work)
        worker.finish(work)
        core.clock.advance(1)
    turn(core)

    rows = started(core, alice)
    assert len(rows) == 1 + MAX_DEPTH
    last = core.automations.get(alice, rows[-1].id)
    assert last.depth == MAX_DEPTH
    assert "at most 5 are allowed" in refusal(core, alice, last)


def test_an_end_that_only_the_row_knows_starts_nothing(core: Core, alice: Actor) -> None:
    push(core, alice, ON_SUCCESS)
    worker = core.worker(alice.org_id, "w1")
    parent = core.run(alice, "first")
    [work] = worker.poll().work
    worker.start(work)
    core.database.write(
        lambda db: db.execute(
            "UPDATE automations SET state = 'succeeded' WHERE id = ?", (parent.id,)
        )
    )

    turn(core)

    assert refusal(core, alice, parent) == "by the record first has not ended succeeded"


def test_a_start_that_its_row_says_is_due_again_starts_nothing(core: Core, alice: Actor) -> None:
    push(core, alice, ON_SUCCESS)
    automation = run_first(core, alice)
    turn(core)
    core.database.write(
        lambda db: db.execute("UPDATE chain_starts SET state = 'due', automation_id = NULL")
    )

    turn(core)

    assert refusal(core, alice, automation) == "by the record it was started before"
    assert len(started(core, alice)) == 2


def test_another_template_put_into_the_row_starts_nothing(core: Core, alice: Actor) -> None:
    push(core, alice, "onSuccess: [{template: gone}]")
    parent = run_first(core, alice)
    core.database.write(lambda db: db.execute("UPDATE chain_starts SET template = 'hello'"))

    turn(core)

    assert "not what its template says" in refusal(core, alice, parent)
    assert len(started(core, alice)) == 1


def test_a_secret_cannot_be_pushed_as_a_value(core: Core, alice: Actor) -> None:
    core.push_again(
        alice,
        first(name="x")
        .replace("{id: host,", "{id: host, type: secret,")
        .replace("type: secret, default: db1", "type: secret"),
    )

    with pytest.raises(InvalidInput) as refused:
        push(core, alice, "onSuccess: [{template: x, values: {host: hunter22}}]")

    assert refused.value.problems[0].path == "spec.onSuccess[0].values.host"


def test_nothing_starts_while_the_queue_is_held(core: Core, alice: Actor) -> None:
    push(core, alice, ON_SUCCESS)
    run_first(core, alice)

    core.fleet.held = "held after a restore"
    turn(core)
    assert len(started(core, alice)) == 1

    core.fleet.held = ""
    turn(core)
    assert len(started(core, alice)) == 2


def test_a_token_that_may_run_a_template_adds_no_start_to_it_that_it_may_not_make(
    core: Core, alice: Actor
) -> None:
    push(core, alice)
    core.push_again(alice, first(name="second"))

    def by_token(*scopes: str) -> Actor:
        layer = grants_of([parse_rule(f"allow {scope}") for scope in scopes], "scopes")
        return msgspec.structs.replace(alice, rights=alice.rights.below(layer))

    views = ("view templates", "view automations")
    added = first("onSuccess: [{template: second}]")
    runs_first = (*views, "create templates/first", "execute templates/first")

    with pytest.raises(NotAllowed, match="first starts second, which the scopes"):
        core.push_again(by_token(*runs_first), added)

    core.push_again(by_token(*runs_first, "execute templates/second"), added)
    core.push_again(by_token(*views, "create templates/first"), first(ON_SUCCESS))
