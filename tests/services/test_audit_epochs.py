"""No two entries of a record have one epoch and one number, whatever was restored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from opsicle.domain.access import BuiltInRole
from opsicle.server.access.actor import Actor, SystemActor
from opsicle.server.forwarding.options import ForwardingOptions
from opsicle.server.store import audit, epochs
from opsicle.server.store.audit import AuditFilter
from tests.services.core import Core

ALL = AuditFilter()


def note(core: Core, org_id: str, verb: str = "push", **data: object) -> None:
    core.database.write(
        lambda db: audit.append(db, core.clock.now(), org_id, SystemActor(), verb, "server", data)
    )


def restore(core: Core, org_id: str, epoch: int, **more: object) -> None:
    """Let an org's record go on as that of a server in its next epoch."""
    core.database.write(lambda db: epochs.begin(db, epoch))
    note(core, org_id, "accept_restored", epoch=epoch, **more)


def names(core: Core, actor: Actor) -> list[tuple[int, int]]:
    """Return epoch and number of each entry, oldest first."""
    page = core.services.audit.list_entries(actor, ALL, "", 100)
    return [(entry.epoch, entry.seq) for entry in reversed(page.items)]


def test_each_entry_says_in_which_epoch_it_was_written(core: Core) -> None:
    alice = core.person(core.org("acme"), "alice", BuiltInRole.ADMIN)
    before = len(names(core, alice))
    note(core, alice.org_id)

    restore(core, alice.org_id, 2, epoch_before=1)
    note(core, alice.org_id)
    restore(core, alice.org_id, 7, epoch_before=2)

    found = names(core, alice)
    assert found[before:] == [
        (epoch, before + number) for number, epoch in enumerate((1, 2, 2, 7), start=1)
    ]
    assert {epoch for epoch, _ in found[:before]} <= {1}


def test_what_retention_has_removed_or_somebody_has_altered_leaves_the_others_named(
    core: Core,
) -> None:
    alice = core.person(core.org("acme"), "alice", BuiltInRole.ADMIN)
    restore(core, alice.org_id, 2, epoch_before=1)
    restore(core, alice.org_id, 5, epoch_before=4)
    core.clock.advance(timedelta(days=3).total_seconds())
    note(core, alice.org_id)
    last = names(core, alice)[-1][1]

    core.services.audit_checkpoints.prune(timedelta(days=1))

    assert names(core, alice) == [(5, last)]
    note(core, alice.org_id, "accept_restored", epoch="many", epoch_before=None)
    assert names(core, alice) == [(4, last), (5, last + 1)]


def test_an_org_that_came_from_another_server_has_that_ones_epochs_up_to_there(core: Core) -> None:
    alice = core.person(core.org("acme"), "alice", BuiltInRole.ADMIN)
    before = len(names(core, alice))
    core.database.write(lambda db: epochs.begin(db, 9))
    note(core, alice.org_id)
    note(core, alice.org_id, "import_org", epoch_before=3)
    note(core, alice.org_id)

    assert [epoch for epoch, _ in names(core, alice)[before:]] == [3, 9, 9]


def test_a_collector_can_tell_a_number_from_the_one_before_a_restore(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    core = Core(tmp_path, forwarding=ForwardingOptions(None, None, path))
    try:
        alice = core.person(core.org("acme"), "alice", BuiltInRole.ADMIN)
        (forwarder,) = core.services.forwarders
        forwarder.begin()
        note(core, alice.org_id)
        restore(core, alice.org_id, 2, epoch_before=1)
        forwarder.turn()
    finally:
        core.close()

    written: list[Mapping[str, object]] = [
        json.loads(line) for line in path.read_text().splitlines()
    ]
    assert [each["epoch"] for each in written if each["org"] == "acme"][-2:] == [1, 2]
