"""The record reaches a collector of syslog and a file: whole, in order, whatever stands in the way.

The collector speaks TLS on a real socket; the clock is set by hand.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.security.authority import Authority
from opsicle.server.access.actor import Actor
from opsicle.server.forwarding.forwarder import Forwarder
from opsicle.server.forwarding.options import ForwardingOptions
from opsicle.server.settings import Address
from opsicle.server.store import audit
from tests.collector import Collector
from tests.services.core import Core
from tests.support import require, wait_until

SETTLED = 6.0
"""Seconds after which what was sent counts as arrived."""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path).start()
    yield collector
    collector.stop()


@pytest.fixture
def core(tmp_path: Path, collector: Collector) -> Iterator[Core]:
    """Return a core that forwards to both, with an org in whose record nothing stands yet."""
    targets = ForwardingOptions(
        Address("localhost", collector.port), collector.ca_file, tmp_path / "events.jsonl"
    )
    core = Core(tmp_path, forwarding=targets)
    for forwarder in core.services.forwarders:
        forwarder.begin()
    yield core
    core.close()


@pytest.fixture
def alice(core: Core) -> Actor:
    return core.person(core.org("acme"), "alice", BuiltInRole.OPERATOR)


def syslog(core: Core) -> Forwarder:
    return core.services.forwarders[0]


def file(core: Core) -> Forwarder:
    return core.services.forwarders[1]


def note(core: Core, actor: Actor, *numbers: int, **data: object) -> None:
    """Let things happen in an org."""
    for number in numbers:
        said = {"number": number, **data}
        core.database.write(
            lambda db, said=said: audit.append(
                db, core.clock.now(), actor.org_id, actor, "push", "templates/web", said
            )
        )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def sequence(actor: Actor, *numbers: int) -> list[tuple[str, int]]:
    return [(actor.org_id, number) for number in numbers]


def catch_up(core: Core, forwarder: Forwarder) -> None:
    """Let what was sent become what has arrived."""
    wait_until(lambda: _is_settled(core, forwarder), 60, "that what was sent has arrived")


def _is_settled(core: Core, forwarder: Forwarder) -> bool:
    forwarder.turn()
    core.clock.advance(SETTLED)
    forwarder.turn()
    return forwarder.backlog().entries == 0


def test_every_entry_reaches_both_with_who_did_what(
    core: Core, alice: Actor, collector: Collector, tmp_path: Path
) -> None:
    note(core, alice, 1, 2, 3, why='a "quoted" ] \\ text\nof two lines ü')

    syslog(core).turn()
    file(core).turn()

    wait_until(lambda: len(collector.received) == 3, 60, "three messages")
    assert collector.numbers == sequence(alice, 1, 2, 3)
    first = collector.received[0]
    written = lines(tmp_path / "events.jsonl")
    assert [entry["seq"] for entry in written] == [1, 2, 3]
    assert json.loads(first.text) == written[0]["data"]
    assert written[0]["data"]["why"] == 'a "quoted" ] \\ text\nof two lines ü'
    assert (first.at, first.verb) == (written[0]["at"], "push")
    assert first.fields == {
        "org": "acme",
        "orgId": alice.org_id,
        "epoch": "1",
        "seq": "1",
        "actor": "alice@example.com",
        "actorId": alice.user_id,
        "actorKind": "user",
        "channel": "cli",
        "address": "127.0.0.1",
        "verb": "push",
        "resource": "templates/web",
        "hash": written[0]["hash"],
    }


def test_jobs_are_told_of_from_their_trigger_to_their_end(
    core: Core, alice: Actor, tmp_path: Path
) -> None:
    core.push(alice)
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work, "failed", 3)

    file(core).turn()

    told = [
        entry["verb"]
        for entry in lines(tmp_path / "events.jsonl")
        if entry["resource"] == f"automations/{automation.id}"
    ]
    assert told == ["run", "start", "finish"]


def test_a_new_destination_begins_with_what_comes_and_a_new_org_with_its_first(
    tmp_path: Path, collector: Collector
) -> None:
    before = Core(tmp_path)
    alice = before.person(before.org("acme"), "alice", BuiltInRole.OPERATOR)
    note(before, alice, 1, 2)
    before.close()
    core = Core(
        tmp_path,
        before.clock,
        before.vault,
        forwarding=ForwardingOptions(file=tmp_path / "events.jsonl"),
    )
    (forwarder,) = core.services.forwarders

    forwarder.begin()
    carol = core.person(core.org("other"), "carol", BuiltInRole.OPERATOR)
    note(core, alice, 3)
    note(core, carol, 1, 2)
    forwarder.turn()

    written = [(entry["org"], entry["seq"]) for entry in lines(tmp_path / "events.jsonl")]
    assert [each for each in written if each[0] == "acme"] == [("acme", 3)]
    assert [each for each in written if each[0] == "other"] == [("other", 1), ("other", 2)]
    core.close()


# A collector that is away


def test_while_the_collector_is_away_the_record_waits_and_then_arrives_whole(
    core: Core, alice: Actor, collector: Collector
) -> None:
    collector.stop()
    note(core, alice, *range(1, 1201))

    syslog(core).turn()
    away = (syslog(core).backlog().entries, list(core.services.core.remarks.shown))
    core.clock.advance(61)
    syslog(core).turn()
    shown = list(core.services.core.remarks.shown)
    lag = syslog(core).lag_seconds()
    collector.start()
    core.clock.advance(61)
    catch_up(core, syslog(core))

    wait_until(lambda: len(collector.received) == 1200, 60, "all messages")
    assert away == (1200, [])
    assert shown == ["the record is not forwarded to syslog: see the log"]
    assert lag == 61
    assert collector.numbers == sequence(alice, *range(1, 1201))
    assert core.services.core.remarks.shown == []


def test_what_a_collector_has_not_read_when_it_dies_is_sent_again(
    core: Core, alice: Actor, collector: Collector
) -> None:
    collector.reads = False
    note(core, alice, 1, 2, 3)

    syslog(core).turn()  # its system has acknowledged them, and nobody has read them
    wait_until(lambda: collector.is_connected, 60, "the connection")
    core.clock.advance(1)
    syslog(core).turn()
    collector.stop()
    collector.reads = True
    collector.start()
    core.clock.advance(SETTLED)
    note(core, alice, 4)
    wait_until(lambda: _has_failed(core), 60, "the broken connection to be noticed")
    core.clock.advance(61)
    catch_up(core, syslog(core))

    wait_until(lambda: len(collector.received) == 4, 60, "four messages")
    assert collector.numbers == sequence(alice, 1, 2, 3, 4)


def _has_failed(core: Core) -> bool:
    syslog(core).turn()
    return syslog(core)._failing_since is not None


def test_what_had_not_settled_when_the_server_died_comes_twice_and_the_rest_once(
    core: Core, alice: Actor, collector: Collector
) -> None:
    note(core, alice, 1, 2)
    catch_up(core, syslog(core))
    note(core, alice, 3)
    syslog(core).turn()

    again = core.restart()
    note(again, alice, 4)
    catch_up(again, syslog(again))

    wait_until(lambda: len(collector.received) == 5, 60, "five messages")
    assert collector.numbers == sequence(alice, 1, 2, 3, 3, 4)
    third, once_more = collector.received[2:4]
    assert third == once_more
    wait_until(lambda: collector.farewells == 1, 60, "the first server's farewell")
    again.close()


def test_a_collector_with_another_cas_certificate_gets_nothing(
    core: Core, alice: Actor, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.ca_file.write_text(Authority.create(core.clock.now()).cert_pem)
    note(core, alice, 1)

    syslog(core).turn()

    assert collector.received == []
    assert "certificate is not to be trusted" in caplog.records[-1].__dict__["reason"]


# The file


def test_the_file_is_private_and_made_anew_when_it_was_taken_away(
    core: Core, alice: Actor, tmp_path: Path
) -> None:
    path, moved = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    note(core, alice, 1)
    file(core).turn()

    path.rename(moved)
    note(core, alice, 2)
    file(core).turn()
    os.truncate(path, 0)  # as `copytruncate` does
    note(core, alice, 3)
    file(core).turn()
    path.unlink()
    note(core, alice, 4)
    file(core).turn()

    assert [entry["seq"] for entry in lines(moved)] == [1]
    assert [entry["seq"] for entry in lines(path)] == [4]
    assert path.stat().st_mode & 0o777 == 0o600
    assert moved.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_has_cut_off_does_not_spoil_the_next_one(
    core: Core, alice: Actor, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"org_id": "half')
    note(core, alice, 1)

    file(core).turn()

    half, whole = path.read_text().splitlines()
    assert half == '{"org_id": "half'
    assert json.loads(whole)["seq"] == 1


def test_what_is_no_plain_file_is_refused_and_holds_nobody_up(
    core: Core, alice: Actor, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "events.jsonl")
    note(core, alice, 1)

    file(core).turn()

    assert file(core).backlog().entries == 1


def test_a_full_disk_holds_nothing_up_and_loses_nothing(
    tmp_path: Path, collector: Collector
) -> None:
    require(os.geteuid() == 0, "root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        core = Core(tmp_path, forwarding=ForwardingOptions(file=disk / "events.jsonl"))
        (forwarder,) = core.services.forwarders
        forwarder.begin()
        alice = core.person(core.org("acme"), "alice", BuiltInRole.OPERATOR)
        (disk / "other").write_bytes(bytes(56 * 1024))
        note(core, alice, *range(1, 101))

        forwarder.turn()
        full = forwarder.backlog().entries
        (disk / "other").unlink()
        core.clock.advance(61)
        forwarder.turn()

        numbers = []
        for line in (disk / "events.jsonl").read_text().splitlines():
            try:
                numbers.append(json.loads(line)["seq"])
            except ValueError:
                assert not numbers or numbers[-1] < 100  # the line that had no room
        assert full == 100
        assert numbers[-100:] == list(range(1, 101))
        assert forwarder.backlog().entries == 0
        core.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
