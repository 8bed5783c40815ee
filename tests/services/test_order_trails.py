"""What workers were ordered to do is kept as it was signed, and verifies without the server."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.client.order_trails import TrailVerdict, verify_trail
from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.domain.manifests import digest
from opsicle.domain.rights import Rights, grants_of
from opsicle.domain.rules import parse_rule
from opsicle.security.binding_key import BindingKey
from opsicle.security.order_key import OrderKey
from opsicle.server.keys.order_keys import bound, remember_order_key
from opsicle.server.store import orders
from opsicle.server.store.orders import OrderKeyRow
from opsicle.wire.jobs import Work
from opsicle.wire.user_api import Automation
from tests.services.pausing import paused, source
from tests.services.planning import finish, push, shown, take
from tests.services.team import Team, template_source

PASSWORD = "hunter2-hunter2"
REMOVABLE = "DROP TRIGGER orders_stay; DROP TRIGGER orders_never_change;"


def keep_key(team: Team) -> None:
    """Keep the public key as a server does at its start."""
    core = team.core
    key = core.order_key.public
    remember_order_key(core.database, core.binding_key, key, core.clock.now())


@pytest.fixture
def keeping(team: Team) -> Team:
    """Return an org whose server has started."""
    keep_key(team)
    team.policy()
    return team


def verified(team: Team, automation: Automation, who: str = "alice") -> TrailVerdict:
    """Return what comes of verifying the answer of the API, once it was JSON."""
    trail = team.core.services.order_trails.get(team.people[who], automation.id)
    sent = msgspec.json.decode(msgspec.json.encode(trail), type=type(trail))
    return verify_trail(sent)


def problems(team: Team, automation: Automation) -> list[str]:
    return [order.problem for order in verified(team, automation).orders]


def ran(team: Team) -> tuple[Automation, Work]:
    """Return an automation that Bob has agreed to, and its work."""
    asked = team.ask(password=PASSWORD)
    team.approve("bob", asked)
    worker = team.core.worker(team.org_id, "w1")
    (work,) = worker.poll().work
    worker.start(work)
    return asked, work


def test_each_order_is_shown_with_whom_when_and_what_and_verifies(keeping: Team) -> None:
    push(keeping)
    asked = keeping.ask("planned")
    worker, plan = take(keeping)
    finish(worker, plan)
    keeping.approve("bob", shown(keeping, asked))
    worker, work = take(keeping, worker)

    found = verified(keeping, asked)

    assert [order.problem for order in found.orders] == ["", ""]
    first, last = found.orders
    assert (first.is_plan, first.decisions) == (True, ())
    assert (last.is_plan, last.decisions) == (False, ("bob@example.com approve boss",))
    assert [(each.job, each.fence, each.manifest_digest) for each in found.orders] == [
        (each.job_id, each.fence, digest(each.manifest)) for each in (plan, work)
    ]
    assert last.signature == work.signature.hex()
    assert last.worker == worker.actor.name
    assert last.ordered_at == keeping.core.clock.now()


def test_a_job_that_goes_on_from_a_pause_has_an_order_for_each_time(keeping: Team) -> None:
    case = paused(keeping, source())
    case.approve()
    case.go_on()

    found = verified(keeping, case.automation)

    assert [(order.goes_on, order.problem) for order in found.orders] == [
        ("", ""),
        ("continue", ""),
    ]

    keeping.tamper(f"{REMOVABLE} DELETE FROM orders WHERE fence = 1")
    assert problems(keeping, case.automation) == [
        "",
        "an order that was given for this job is gone",
    ]


def test_a_worker_of_the_format_before_has_an_order_that_verifies(keeping: Team) -> None:
    keeping.core.push(
        keeping.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    asked = keeping.ask("plain")
    worker = keeping.core.worker(keeping.org_id, "old")
    worker.formats = (1,)
    assert worker.poll().work

    assert problems(keeping, asked) == [""]


BEHIND_ITS_BACK = {
    "the order": (
        REMOVABLE
        + """
        UPDATE orders SET content = CAST(replace(CAST(content AS TEXT), 'bob@', 'eve@') AS BLOB)
        """,
        "its signature does not fit it",
    ),
    "bytes that are no text": (
        REMOVABLE + "UPDATE orders SET content = X'FF'",
        "its signature does not fit it",
    ),
    "the signature": (
        REMOVABLE + "UPDATE orders SET signature = zeroblob(64)",
        "its signature does not fit it",
    ),
    "no signature": (
        REMOVABLE + "UPDATE orders SET signature = X''",
        "its signature does not fit it",
    ),
    "the key": (
        REMOVABLE + "UPDATE orders SET public_key = zeroblob(32)",
        "it is signed with a key that is not known here",
    ),
    "the order's fence": (
        REMOVABLE + "UPDATE orders SET fence = fence + 1",
        "what is stored is not as it was ordered: fence",
    ),
    "that there was one": (REMOVABLE + "DELETE FROM orders", "is gone"),
    "the job's fence": (
        "UPDATE jobs SET fence = fence + 1",
        "what is stored is not as it was ordered: fence",
    ),
    "the job's worker": (
        "UPDATE jobs SET worker_id = (SELECT id FROM workers WHERE name = 'w2')",
        "what is stored is not as it was ordered: worker",
    ),
    "that it was a plan": (
        "UPDATE jobs SET is_plan = 1",
        "what is stored is not as it was ordered: plan",
    ),
    "a value": (
        'UPDATE automations SET values_json = \'{"target":"other"}\'',
        "what is stored of the automation is not what was ordered",
    ),
    "who asked": (
        "UPDATE automations SET requester_id = (SELECT id FROM users WHERE name = 'mallory')",
        "what is stored of the automation is not what was ordered",
    ),
    "a command": (
        """
        DROP TRIGGER template_versions_are_immutable;
        UPDATE template_versions SET document = replace(document, 'echo hi', 'rm -rf /')
        """,
        "what is stored of the automation is not what was ordered",
    ),
}


@pytest.mark.parametrize(("sql", "problem"), BEHIND_ITS_BACK.values(), ids=BEHIND_ITS_BACK)
def test_what_was_altered_behind_the_servers_back_does_not_verify(
    keeping: Team, sql: str, problem: str
) -> None:
    asked, _ = ran(keeping)
    keeping.core.worker(keeping.org_id, "w2")
    assert problems(keeping, asked) == [""]

    keeping.tamper(sql)

    (found,) = problems(keeping, asked)
    assert problem in found


def test_an_order_of_another_job_is_none_of_this_one(keeping: Team) -> None:
    """Both are good orders of this server, for the same worker."""
    asked, work = ran(keeping)
    other = keeping.ask(password=PASSWORD)
    keeping.approve("bob", other)
    worker = keeping.core.worker(keeping.org_id, "w2")
    (second,) = worker.poll().work

    keeping.tamper(REMOVABLE)
    keeping.tamper("DELETE FROM orders WHERE job_id = :id", id=work.job_id)
    keeping.tamper("UPDATE orders SET job_id = :to", to=work.job_id)

    assert "automation" in problems(keeping, asked)[0]
    assert problems(keeping, other) == ["an order that was given for this job is gone"]
    assert second.job_id != work.job_id


def test_a_key_that_somebody_has_put_into_the_database_is_not_believed(keeping: Team) -> None:
    asked, work = ran(keeping)
    mallory = OrderKey.create()
    forged = mallory.sign(work.order)
    row = OrderKeyRow("", mallory.public.raw, keeping.core.clock.now(), "")

    for code in ("", BindingKey.create()):
        genuine = bound(code, row) if isinstance(code, BindingKey) else row
        keeping.core.database.write(lambda db, new=genuine: orders.put_key(db, new))
    keeping.tamper(REMOVABLE)
    keeping.tamper(
        "UPDATE orders SET signature = :signature, public_key = :key",
        signature=forged,
        key=mallory.public.raw,
    )

    assert "a key that is not known here" in problems(keeping, asked)[0]


def test_old_orders_verify_under_the_key_that_was_replaced(keeping: Team) -> None:
    asked, _ = ran(keeping)
    before = keeping.core.order_key

    keeping.core.order_key = OrderKey.create()
    keeping.restart()
    keep_key(keeping)
    later = keeping.ask(password=PASSWORD)
    keeping.approve("bob", later)
    assert keeping.core.worker(keeping.org_id, "w2").poll().work

    assert problems(keeping, asked) == problems(keeping, later) == [""]
    names = [verified(keeping, each).orders[0].key for each in (asked, later)]
    assert names == [before.public.fingerprint, keeping.core.order_key.public.fingerprint]


def test_a_key_by_which_nothing_was_signed_fits_nothing(keeping: Team) -> None:
    asked, _ = ran(keeping)
    trail = keeping.core.services.order_trails.get(keeping.people["alice"], asked.id)

    own = verify_trail(trail, keeping.core.order_key.public)
    other = verify_trail(trail, OrderKey.create().public)

    assert (own.problems, other.problems) == (0, 1)


def test_no_secret_is_kept_with_an_order(keeping: Team) -> None:
    """Neither what a job is given as secret, nor the salt with which that is committed to."""
    _, work = ran(keeping)
    assert list(work.secret_environment.values()) == [PASSWORD]
    assert work.secret_salt

    rows = keeping.core.database.read(lambda db: db.execute("SELECT * FROM orders").fetchall())

    kept = b"".join(part for row in rows for part in row if isinstance(part, bytes))
    assert work.order in kept
    for secret in (PASSWORD.encode(), work.secret_salt, work.secret_salt.hex().encode()):
        assert secret not in kept


def test_a_job_of_before_orders_were_kept_is_said_to_have_none(keeping: Team) -> None:
    asked, work = ran(keeping)
    keeping.tamper(f"{REMOVABLE} DELETE FROM orders; UPDATE jobs SET orders_kept = 0")

    found = verified(keeping, asked)

    assert (found.orders, found.not_kept) == ((), (work.job_id,))


def test_orders_are_shown_to_whoever_may_see_their_automation_and_approvals_alone(
    keeping: Team,
) -> None:
    asked, _ = ran(keeping)
    show = keeping.core.services.order_trails.get
    alice, rules = keeping.people["alice"], [parse_rule("allow view automations")]
    half = msgspec.structs.replace(alice, rights=Rights((grants_of(rules, "rules"),)))
    gina = keeping.core.person(keeping.core.org("globex"), "gina", BuiltInRole.ADMIN)

    with pytest.raises(NotAllowed):
        show(half, asked.id)
    with pytest.raises(NotFound):
        show(gina, asked.id)
    assert show(keeping.people["rita"], asked.id).jobs
