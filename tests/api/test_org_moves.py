"""An org that moves to another server has there what it had, and nothing of it runs by itself."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from opsicle.client.order_trails import TrailVerdict, verify_trail
from opsicle.domain.errors import Conflict, InvalidInput, NotFound
from opsicle.security import age_keys
from opsicle.security.age_keys import Passphrase
from opsicle.security.audit_key import AuditPublicKey
from opsicle.server.org_moves import importing
from opsicle.server.store import migrations, secrets
from opsicle.server.store.suspensions import SuspensionRow
from opsicle.wire.audit import Checkpoint
from opsicle.wire.order_api import OrderTrail
from tests.api.authenticator_app import enrol
from tests.api.backing_up import KEY, back_up
from tests.api.backing_up import refused as refused_restore
from tests.api.hostile_exports import FORGED, with_id
from tests.api.moving_orgs import (
    ALICE,
    AT_REST,
    SECRET,
    Moved,
    carry_out,
    changed,
    differences,
    export,
    files_of,
    looked_at,
    nothing,
    refused,
    served,
    sql,
    stand,
    take,
)
from tests.api.route_walk import prepare
from tests.api.running_server import ADMINS, PASSWORD
from tests.api.test_backup_commands import call


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, prepared_folder: Path) -> Moved:
    """Return an org with one of everything, exported while its server runs."""
    folder = tmp_path_factory.mktemp("from") / "data"
    shutil.copytree(prepared_folder, folder)
    with served(folder) as api_server:
        things = prepare(api_server, "acme", ALICE, "restart-web")
        prepare(api_server, "globex", ADMINS["globex"], "restart-web")
        alice = api_server.session(ALICE)
        approved = alice.post(f"/api/v1/approvals/{things['approval_id']}/approve", {})
        assert approved.status == 200, approved.content
        alice.post("/api/v1/automations", {"template": "restart-web"})
        ran, *begun = carry_out(api_server, api_server.worker("acme", "runner"))
        for template in ("restart-web", "restart-web-asks"):
            made = alice.post("/api/v1/automations", {"template": template})
            assert made.status == 201, made.content
        app = enrol(api_server, api_server.person("acme", "bob", "operator"))
        token = alice.post("/api/v1/tokens", {"name": "program"}).json["token"]
        with pytest.raises(Conflict, match="is not suspended"):
            export(folder)
        stand(api_server, SuspensionRow(api_server.clock.now(), "it moves"))
        content = export(folder)
        shown = looked_at(api_server.client(token), things)
    return Moved(content, things, shown, token, folder, app, ran, set(begun))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, _quick_passwords: None) -> Path:
    """Return the data folder of another server, which has an org and people of its own."""
    folder = tmp_path_factory.mktemp("other") / "data"
    with served(folder) as api_server:
        token = api_server.setup_token()
        body = {"token": token, "org": "initech", "email": "ines@example.com",
                "password": PASSWORD}  # fmt: skip
        assert api_server.client().post("/api/v1/setup", body).status == 200
    return folder


@pytest.fixture
def to(tmp_path: Path, other: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(other, tmp_path / "to")


def test_all_that_an_org_has_is_shown_alike_by_the_other_server(moved: Moved, to: Path) -> None:
    report = take(moved.content, to)

    with served(to) as api_server:
        shown = looked_at(api_server.client(moved.token), moved.things)
    assert {path: status for path, (status, _) in shown.items()} == {
        path: status for path, (status, _) in moved.shown.items()
    }
    found = {
        each
        for path, (_, after) in shown.items()
        for each in differences(path, moved.shown[path][1], after)
    }
    assert found == AT_REST
    assert (report.org, report.linked, report.missing) == ("acme", (), ())


def test_nothing_of_it_runs_by_itself_and_what_is_run_there_runs_once(
    moved: Moved, to: Path
) -> None:
    report = take(moved.content, to)

    with served(to) as api_server:
        alice = api_server.client(moved.token)
        states = {
            each["id"]: each["state"] for each in alice.get("/api/v1/automations").json["items"]
        }
        assert {states[each] for each in moved.begun} == {"unknown"}
        assert set(report.unknown) == moved.begun
        assert states[moved.ran] == "succeeded"
        assert len(report.cancelled) == 2
        assert {states[each] for each in report.cancelled} == {"cancelled"}
        assert alice.get("/api/v1/approvals").json["items"] == []
        assert alice.get("/api/v1/workers").json["items"] == []

        made = alice.post("/api/v1/automations", {"template": "restart-web"})
        assert (made.status, made.code) == (409, "suspended")
        stand(api_server, SuspensionRow())
        worker = api_server.worker("acme", "here")
        assert api_server.poll(worker)[1] == ()
        made = alice.post("/api/v1/automations", {"template": "restart-web"})
        (work,) = api_server.poll(worker)[1]
        assert work.automation_id == made.json["id"]

        bob = api_server.session("bob@example.com")
        api_server.clock.advance(minutes=1)
        code = replace(moved.app, clock=api_server.clock).code()
        assert bob.post("/api/v1/step-up", {"totp": code}).status == 200
        sealed = api_server.state.read(secrets.list_sealed)
        assert [api_server.services.core.vault.open_secret(row) for row in sealed] == [SECRET]


def test_its_record_goes_on_under_the_new_key_from_where_the_old_one_signed(
    moved: Moved, to: Path
) -> None:
    take(moved.content, to)
    with served(moved.folder) as api_server:
        before = api_server.session(ALICE, "acme").get("/api/v1/audit/export").content.splitlines()
        key = AuditPublicKey.load(api_server.services.core.audit_key.public.pem)

    with served(to) as api_server:
        alice = api_server.client(moved.token)
        verdict = alice.get("/api/v1/audit/verify").json
        (entry,) = alice.get("/api/v1/audit?verb=import_org").json["items"]
        ends = [
            alice.get(f"/api/v1/audit?verb={verb}&actor=import").json["items"]
            for verb in ("cancel", "lose")
        ]
        after = alice.get("/api/v1/audit/export").content.splitlines()

    assert verdict["is_intact"], verdict
    assert entry["data"]["audit_key"] == key.pem
    signed = msgspec.convert(entry["data"]["checkpoint"], Checkpoint)
    assert key.has_signed(verdict["chain"], signed)
    assert entry["seq"] == signed.seq + 1
    assert [len(items) for items in ends] == [2, 2]
    old = [line for line in before if b'"type":"entry"' in line][: signed.seq]
    assert old == [line for line in after if b'"type":"entry"' in line][: signed.seq]


def test_what_its_workers_were_ordered_verifies_there_under_the_key_of_the_old_server(
    moved: Moved, to: Path, tmp_path: Path
) -> None:
    with served(moved.folder) as api_server:
        old = api_server.services.core.order_key.public.fingerprint
    forged = sql("UPDATE orders SET content = CAST(replace(content, 'acme', 'eve') || ' ' AS BLOB)")
    take(changed(moved.content, forged, tmp_path), shutil.copytree(to, tmp_path / "forged"))
    take(moved.content, to)

    def trail(folder: Path) -> TrailVerdict:
        with served(folder) as api_server:
            answer = api_server.client(moved.token).get(f"/api/v1/automations/{moved.ran}/orders")
        return verify_trail(msgspec.json.decode(answer.content, type=OrderTrail))

    assert [(order.problem, order.key) for order in trail(to).orders] == [("", old)]
    assert trail(tmp_path / "forged").problems == 1


def test_what_an_export_lets_wait_with_a_job_is_over_there_too(
    moved: Moved, to: Path, tmp_path: Path
) -> None:
    job = "UPDATE automations SET job_id = (SELECT id FROM jobs LIMIT 1)"
    crafted = sql(f"{job} WHERE state = 'awaiting_approval'")

    report = take(changed(moved.content, crafted, tmp_path), to)

    assert len(report.cancelled) == 2
    with served(to) as api_server:
        found = api_server.state.read(
            lambda db: (
                db.execute(
                    "SELECT count(*) FROM automations a WHERE finished_at IS NULL"
                    " AND org_id = (SELECT id FROM orgs WHERE code = 'acme')"
                ).get
            )
        )
        assert found == 0


def test_an_org_whose_record_is_gone_is_not_exported(prepared_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(prepared_folder, tmp_path / "from")
    with served(folder) as api_server:
        stand(api_server, SuspensionRow(api_server.clock.now(), "it moves"))
    for table in ("audit_entries", "audit_checkpoints", "audit_heads"):
        sql(f"DELETE FROM {table} WHERE org_id = (SELECT id FROM orgs WHERE code = 'acme')")(
            folder / "opsicle.db"
        )

    with pytest.raises(Conflict, match="record of the org acme is empty") as refusal:
        export(folder)
    assert "restore a backup" in str(refusal.value.hint)


def test_what_is_no_whole_export_or_has_more_than_an_org_in_it_is_refused_and_leaves_nothing(
    moved: Moved, to: Path, tmp_path: Path
) -> None:
    content, half = moved.content, len(moved.content) // 2
    flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    foreign = "UPDATE memberships SET org_id = '" + "0" * 26 + "'"
    edited = "UPDATE audit_entries SET actor_name = 'mallory' WHERE seq = 2"

    refused(content[:half], to, "cut short or altered")
    refused(flipped, to, "cut short or altered")
    refused(content, to, "does not open", key=Passphrase("another one"))
    refused(back_up(moved.folder), to, "a server's backup")
    refused(changed(content, sql(foreign), tmp_path), to, "another org|damaged")
    refused(changed(content, sql(edited), tmp_path), to, "entry 2 was altered")
    stray = (
        "INSERT INTO segments (job_id, start, size, chunks, created_at) VALUES ('j', 0, 1, '', '')"
    )
    blob = stray.replace("''", "x''", 1)
    refused(changed(content, sql(blob), tmp_path, "logs.db"), to, "another org, in its logs")
    keys = "INSERT INTO group_members VALUES ('o', 'g', 'u', '', 0)"
    refused(changed(content, sql(keys), tmp_path), to, "cannot be used|another org")
    acts = "CREATE TRIGGER acts AFTER INSERT ON users BEGIN DELETE FROM users; END"
    odd = "CREATE TABLE \"x; ATTACH 'elsewhere' AS y\" (z)"
    refused(changed(content, sql(acts), tmp_path), to, "no database of Opsicle's")
    refused(changed(content, sql(odd), tmp_path), to, "no database of Opsicle's")
    newer = {"schema": migrations.newest_schema() + 1, "version": "9.9.9"}
    refused(changed(content, nothing, tmp_path, **newer), to, "a newer Opsicle, 9.9.9")
    refused_restore(content, tmp_path / "restored", "one org's export")

    assert take(changed(content, nothing, tmp_path), to).org == "acme"


def test_no_name_in_an_export_leads_beside_its_folder_or_stands_for_somebody_else(
    moved: Moved, to: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    content, odd = moved.content, "v-0/.."

    for org_id in ("../../beside", str(beside), "..", ""):
        refused(with_id(content, org_id, tmp_path), to, "not an id")
        assert beside.is_dir()
    for forged, why in FORGED.items():
        refused(changed(content, sql(forged), tmp_path), to, why)
    coded = sql(f"UPDATE orgs SET code = '{odd}'")
    refused(changed(content, coded, tmp_path, code=odd), to, "the org's code")


def test_what_opens_an_account_at_the_old_server_opens_none_at_the_new_one(
    moved: Moved, to: Path, tmp_path: Path
) -> None:
    with served(to) as api_server:
        api_server.found("umbrella", ALICE)
    active = sql("UPDATE workers SET state = 'active', is_shared = 1")

    take(changed(moved.content, active, tmp_path), to, links=True)

    with served(to) as api_server:
        assert api_server.client(moved.token).get("/api/v1/whoami").status == 401
        states = api_server.state.read(
            lambda db: db.execute("SELECT DISTINCT state, is_shared FROM workers").fetchall()
        )
        assert states == [("revoked", 0)]


def test_an_import_that_fails_in_its_last_step_leaves_nothing_and_can_be_made_again(
    moved: Moved, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Conflict("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(importing.audit, "append", fail)
        refused(moved.content, to, "the disk is gone")
        patch.setattr(importing.OrgImport, "_remove", lambda *_: None)  # as if it were killed there
        before = files_of(to)
        with pytest.raises(Conflict, match="the disk is gone"):
            take(moved.content, to)
        assert files_of(to) > before

    assert take(moved.content, to).org == "acme"


def test_an_org_comes_once(moved: Moved, to: Path, tmp_path: Path, prepared_folder: Path) -> None:
    take(moved.content, to)
    shutil.copytree(prepared_folder, tmp_path / "twin")

    refused(moved.content, to, "on this server already")
    refused(moved.content, moved.folder, "on this server already")
    with served(tmp_path / "twin") as api_server:
        other = api_server.actor(ALICE).org_id
    assert other  # the folder that all tests begin with holds the very same org
    refused(moved.content, tmp_path / "twin", "on this server already")
    with pytest.raises(Conflict, match="was exported before"):
        export(moved.folder)
    assert export(moved.folder, again=True)
    with pytest.raises(NotFound, match="no org initech"):
        export(moved.folder, "initech")


def test_another_org_of_the_same_code_is_left_alone(moved: Moved, to: Path) -> None:
    with served(to) as api_server:
        api_server.found("acme", "someone@example.com")

    refused(moved.content, to, "another org of this server has the code acme")


def test_whoever_has_an_account_there_is_somebody_else_until_told(moved: Moved, to: Path) -> None:
    with served(to) as api_server:
        api_server.found("umbrella", ALICE)
    assert "--link-accounts" in refused(moved.content, to, f"have accounts here: {ALICE}").hint

    report = take(moved.content, to, links=True)

    assert report.linked == (ALICE,)
    with served(to) as api_server:
        session = api_server.session(ALICE, "acme")
        me = session.get("/api/v1/whoami").json
        (ran,) = [
            each
            for each in session.get("/api/v1/automations").json["items"]
            if each["id"] == moved.ran
        ]
        assert (me["role"], me["user"]["email"]) == ("admin", ALICE)
        assert ran["requester"]["email"] == ALICE
        assert ran["requester"]["id"] != me["user"]["id"]
        stand(api_server, SuspensionRow())
        made = session.post("/api/v1/automations", {"template": "restart-web"})
        assert made.status == 201, made.content


def test_the_commands_take_an_org_from_one_data_folder_to_another(
    prepared_folder: Path, to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age_keys.Passphrase.__new__, "__defaults__", (KEY.work_factor,))
    shutil.copytree(prepared_folder, tmp_path / "from")
    (tmp_path / "passphrase").write_text(f"{KEY.text}\n")
    (tmp_path / "weak").write_text("short")
    file, passphrase = tmp_path / "acme.age", ("--passphrase-file", tmp_path / "passphrase")

    weak = call("orgs", "export", "acme", file, "--data-dir", tmp_path / "from",
                "--passphrase-file", tmp_path / "weak")  # fmt: skip
    exported = call("-o", "json", "orgs", "export", "acme", file, "--data-dir", tmp_path / "from",
                    "--unsuspended", *passphrase)  # fmt: skip
    with served(to):
        running = call("orgs", "import", file, "--data-dir", to, *passphrase)
    imported = call("-o", "json", "orgs", "import", file, "--data-dir", to, *passphrase)

    assert isinstance(weak.exception, InvalidInput)
    assert json.loads(exported.stdout)["people"] == 1, exported.exception
    assert isinstance(running.exception, Conflict)
    assert running.exception.message.startswith("another server is using")
    assert json.loads(imported.stdout)["org"] == "acme", imported.exception
