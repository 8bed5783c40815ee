"""A worker that is handed what was not ordered carries nothing of it out.

Hostile servers, and men in the middle.

The work is real, made by the server's own services for this worker; the worker is a real process.
The judge is a file to which everything that runs appends its job's name, so that nothing in Opsicle
has a say in what was executed.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.kit.clock import SystemClock
from opsicle.server.store import secrets
from opsicle.wire.jobs import Work
from opsicle.worker.verification import Refused, Verifier
from tests.services.core import Core
from tests.support import SCALE
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.hostile_jobs import BETWEEN, MINUTE, SERVERS, UNKNOWN_SIGNERS, Site
from tests.worker.running_worker import RunningWorker, lines
from tests.worker.signed_work import manifest_of, ordered

COUNT = max(150, int(250 * SCALE))  # each kind at least once
SECRET_VALUES = ("sesame-open", "swordfish", "hunter22")
REAL_JOBS = 40

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {{name: rotate}}
spec:
  variables:
    - {{id: who, type: string}}
    - {{id: pin-code, type: secret}}
    - {{id: factor, type: float, default: 1.5}}
  template:
    phases:
      - name: first
        secrets: [db-password]
        commands:
          - "echo \\"$OPSICLE_VAR_WHO\\" >> {judge}"
          - "test -n \\"$OPSICLE_SECRET_DB_PASSWORD\\""
      - {{name: second, commands: ["true"]}}
"""


class Stage:
    """Real works, by the name that each leaves with the judge, and their worker."""

    def __init__(self, folder: Path, fake_server: FakeServer) -> None:
        self.judge, self.fake_server = folder / "judge", fake_server
        (folder / "server").mkdir()
        core = Core(folder / "server", clock=SystemClock())  # type: ignore[arg-type]
        self.key = fake_server.order_key = core.order_key
        alice = core.person(core.org("acme"), "alice", BuiltInRole.OPERATOR)
        _keep_secret(core, alice, "db-password", "hunter22")
        core.push(alice, TEMPLATE.format(judge=self.judge))
        speaker = core.worker(alice.org_id, "worker-1", slots=REAL_JOBS)
        fake_server.org_id, fake_server.worker_id = alice.org_id, speaker.actor.worker_id
        for number in range(REAL_JOBS):
            core.run(alice, "rotate", **{"who": f"real-{number}", "pin-code": "swordfish"})
        self.works = {work.environment["OPSICLE_VAR_WHO"]: work for work in speaker.poll().work}
        core.close()
        assert len(self.works) == REAL_JOBS
        self.worker = RunningWorker(folder, fake_server)
        self.worker.start()

    def site(self, name: str, other: str = "real-0", rng: random.Random | None = None) -> Site:
        rng = rng or random.Random(0)
        return Site(self.works[name], self.works[other], self.key, rng, str(self.judge))

    def run(self, *names: str) -> None:
        """Let the worker carry out what was really ordered."""
        self.fake_server.give_as_it_is(*(self.works[name] for name in names))
        for name in names:
            assert self.worker.wait_for_finish(self.works[name].job_id) == "succeeded"
        self.wait_until_idle()

    def expect_refusals(self, *works: Work) -> list[str]:
        """Hand these to the worker; the reasons for which it refuses each."""
        self.fake_server.refused.clear()
        self.fake_server.give_as_it_is(*works)
        ids = {work.job_id for work in works}
        self.worker.wait(lambda: ids <= set(self.fake_server.refused), f"{len(ids)} refusals")
        self.wait_until_idle()
        return [self.fake_server.refused[work.job_id] for work in works]

    def wait_until_idle(self) -> None:
        """Wait until the worker says that it holds nothing, in a poll that begins after this call.

        A worker takes no second notice of a job that it holds, and it holds one until it has read
        the answer to its last report of it: a little longer than this server has had that report.
        """
        before = len(self.fake_server.polls)

        def holds_nothing() -> bool:
            self.fake_server.drop("nothing")  # has the open poll answered, and so another one sent
            return len(self.fake_server.polls) > before and not self.fake_server.polls[-1].jobs

        self.worker.wait(holds_nothing, "a worker that holds nothing")


def _keep_secret(core: Core, actor: Any, name: str, value: str) -> None:
    now = core.clock.now()
    row = secrets.SecretRow(name, 1, "", now, now, actor.user_id, "", "")
    sealed = core.vault.seal_secret(actor.org_id, name, 1, value)
    core.database.write(lambda db: secrets.insert(db, actor.org_id, row, sealed))


@pytest.fixture
def stage(tmp_path: Path, fake_server: FakeServer) -> Iterator[Stage]:
    stage = Stage(tmp_path, fake_server)
    yield stage
    stage.worker.close()


def test_of_500_jobs_that_nobody_ordered_so_none_is_executed(stage: Stage) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    names = sorted(stage.works)
    done, open_ = names[:8], names[8:]
    stage.run(*done)
    attacks: list[tuple[str, Callable[[Site], Work]]] = [
        *BETWEEN.items(),
        *UNKNOWN_SIGNERS.items(),
        *SERVERS.items(),
    ]
    rng.shuffle(attacks)
    reasons: dict[str, str] = {}
    count = turn = 0
    while count < COUNT:
        rng.shuffle(open_)
        batch: dict[str, tuple[str, Work]] = {}
        for name in open_:
            what, tamper = attacks[(turn + len(batch)) % len(attacks)]
            other = rng.choice([each for each in names if each != name])
            site = Site(stage.works[name], stage.works[other], stage.key, rng, str(stage.judge))
            spoilt = tamper(site)
            batch.setdefault(spoilt.job_id, (what, spoilt))
        turn += len(batch)  # so that each kind has its turn, whatever else is handed out
        for name in rng.sample(done, 4):
            again = stage.works[name]
            batch.setdefault(again.job_id, ("again", again))
        given = list(batch.values())
        told = stage.expect_refusals(*(work for _, work in given))
        reasons |= {what: reason for (what, _), reason in zip(given, told, strict=True)}
        count += len(given)

    for what, reason in sorted(reasons.items()):
        print(f"{what}: {reason}")

    assert sorted(lines(stage.judge)) == sorted(done)
    assert reasons.keys() >= {what for what, _ in attacks}
    assert reasons["again"] == "its order was carried out before"
    said = "".join(reasons.values()) + stage.worker.log.read_text()
    assert not [value for value in SECRET_VALUES if value in said]
    assert stage.worker.log.read_text().count("order refused") >= COUNT

    # What was refused in altered form was good as it was: the attack alone was the reason.
    stage.run(*open_)
    assert sorted(lines(stage.judge)) == sorted(names)


def test_what_was_carried_out_stays_so_after_the_workers_death(stage: Stage) -> None:
    stage.run("real-1", "real-2")
    stage.worker.kill()
    stage.worker.start()
    stage.wait_until_idle()

    again = stage.expect_refusals(stage.works["real-1"], stage.works["real-2"])

    assert set(again) == {"its order was carried out before"}
    assert sorted(lines(stage.judge)) == ["real-1", "real-2"]


def test_one_nonce_and_one_lease_count_once_even_if_the_server_signs_them_again(
    stage: Stage,
) -> None:
    stage.run("real-1")

    first, second = stage.site("real-1"), stage.site("real-2")
    same_nonce, same_lease = (
        second.with_order(nonce=first.order.nonce),
        first.with_order(nonce="0" * 32),
    )
    assert set(stage.expect_refusals(same_nonce, same_lease)) == {
        "its order was carried out before"
    }
    assert lines(stage.judge) == ["real-1"]


def test_work_that_cannot_be_read_is_not_run_and_the_worker_lives(
    stage: Stage, fake_server: FakeServer
) -> None:
    shaped = msgspec.msgpack.decode(msgspec.msgpack.encode(stage.works["real-1"]))
    for field in ("phases", "job_id", "fence", "requester"):
        polls = len(fake_server.polls)
        fake_server.give_as_it_is({key: value for key, value in shaped.items() if key != field})  # type: ignore[arg-type]
        stage.worker.wait(lambda polls=polls: len(fake_server.polls) > polls, "a poll afterwards")

    stage.run("real-2")

    assert lines(stage.judge) == ["real-2"]


def test_a_refusal_is_told_until_the_server_has_heard_it(
    stage: Stage, fake_server: FakeServer
) -> None:
    fake_server.faults["refuse"] += ["before", "after"]

    forged = msgspec.structs.replace(stage.works["real-1"], signature=b"\0" * 64)

    assert "not signed" in stage.expect_refusals(forged)[0]

    stage.worker.wait(
        lambda: fake_server.calls["refuse"] >= 3, "the refusal once more, as its answer was lost"
    )


def test_clocks_may_differ_by_some_minutes(stage: Stage, fake_server: FakeServer) -> None:
    for name, minutes in (("real-1", -5), ("real-2", 4)):
        site = stage.site(name)
        times = {
            "issued_at": site.order.issued_at + minutes * MINUTE,
            "expires_at": site.order.expires_at + minutes * MINUTE,
        }
        fake_server.give_as_it_is(site.with_order(**times))
        assert stage.worker.wait_for_finish(stage.works[name].job_id) == "succeeded"


def test_a_worker_takes_what_asks_for_its_labels_and_nothing_that_asks_for_others(
    fake_server: FakeServer,
) -> None:
    plain = work(J1, "true")
    given = ordered(plain, fake_server.order_key, manifest_of(plain, runs_on={"zone": "vault"}))
    Verifier(fake_server.identity(), {"zone": "vault", "more": "x"}).check(given)
    for labels in ({}, {"zone": "dmz"}, {"Zone": "vault"}):
        with pytest.raises(Refused, match="zone=vault"):
            Verifier(fake_server.identity(), labels).check(given)


def test_a_worker_takes_what_asks_for_labels_that_its_server_has_told_it(
    fake_server: FakeServer,
) -> None:
    plain = work(J1, "true")
    given = ordered(plain, fake_server.order_key, manifest_of(plain, runs_on={"zone": "vault"}))
    verifier = Verifier(fake_server.identity(), {"zone": "dmz"})
    verifier.granted = {"zone": "vault"}
    verifier.check(given)
    verifier.granted = {"zone": "attic"}

    with pytest.raises(Refused, match="zone=vault"):
        verifier.check(given)


def test_a_worker_takes_only_what_asks_for_labels_by_an_expression_that_it_fulfils(
    fake_server: FakeServer,
) -> None:
    plain = work(J1, "true")
    manifest = manifest_of(plain, runs_on_where="zone in (vault, attic), !old")
    given = ordered(plain, fake_server.order_key, manifest)
    verifier = Verifier(fake_server.identity(), {"zone": "dmz"})
    with pytest.raises(Refused, match="zone in"):
        verifier.check(given)

    verifier.granted = {"zone": "attic"}
    verifier.check(given)

    verifier.granted = {"zone": "attic", "old": "yes"}
    with pytest.raises(Refused, match="!old"):
        verifier.check(given)


def test_work_whose_secrets_cannot_be_had_is_ordered_and_runs_nothing(
    stage: Stage, fake_server: FakeServer
) -> None:
    """The server cannot decrypt: the worker is told so, and reports it as the job's end."""
    blind = msgspec.structs.replace(
        stage.works["real-1"],
        withheld="the server cannot decrypt",
        secret_values={},
        secret_environment={},
        secret_salt=b"",
    )

    fake_server.give_as_it_is(blind)

    assert stage.worker.wait_for_finish(blind.job_id) == "failed"
    assert lines(stage.judge) == []


def test_a_shared_worker_takes_real_work_of_any_org_and_nothing_that_mixes_two(
    stage: Stage, fake_server: FakeServer
) -> None:
    """It compares no org with its own, so all the more must order, manifest and work be of one."""
    shared = msgspec.structs.replace(
        fake_server.identity(), org="provider", org_id="", is_shared=True
    )
    verifier, site = Verifier(shared, {}), stage.site("real-1")
    elsewhere = {"for another org in both"}  # to a shared worker that is just another org's work
    verifier.check(site.work)
    verifier.check(SERVERS["for another org in both"](site))
    taken = []

    for what, tamper in (BETWEEN | UNKNOWN_SIGNERS | SERVERS).items():
        with contextlib.suppress(Refused):
            verifier.check(tamper(site))
            taken.append(what)

    assert set(taken) == elsewhere
