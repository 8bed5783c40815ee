"""Secrets go in and never come out, save to the worker whose job names them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed
from opsicle.security.master_key import MasterKey
from opsicle.server.keys.master_key_file import MasterKeyFile
from opsicle.server.keys.vault import Vault
from opsicle.server.rotation import rotate_master_key
from opsicle.wire.jobs import Work
from tests.api.running_server import ApiServer, Client

VALUE = "correct horse battery staple"
OTHER = "a value typed by a person"
NAMING = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: naming}
spec:
  variables: [{id: password, type: secret}, {id: who, type: string, default: world}]
  template:
    phases:
      - {name: one, commands: ["true"], secrets: [db-password]}
      - {name: two, commands: ["true"], secrets: [db-password, api-key]}
"""


def create(client: Client, name: str = "db-password", value: str = VALUE) -> Any:
    answer = client.post(
        "/api/v1/secrets", {"name": name, "value": value, "description": "for the database"}
    )
    assert answer.status == 201, answer.content
    return answer.json


def ready(api_server: ApiServer, alice: Client) -> None:
    create(alice)
    create(alice, "api-key", "another value")
    assert alice.post("/api/v1/templates", {"source": NAMING}).json["warnings"] == []


def run(client: Client, **values: str) -> Any:
    return client.post("/api/v1/automations", {"template": "naming", "values": values})


def work_for(api_server: ApiServer, name: str = "w") -> Work:
    _, (work,) = api_server.poll(api_server.worker("acme", name), slots=9)
    return work


def test_a_secret_is_made_changed_and_removed_and_its_value_never_shown(
    api_server: ApiServer, alice: Client
) -> None:
    made = create(alice)
    assert (made["version"], made["environment_variable"]) == (1, "OPSICLE_SECRET_DB_PASSWORD")

    updated = alice.call("PUT", "/api/v1/secrets/db-password", {"value": OTHER})
    assert (updated.json["version"], updated.json["description"]) == (2, "for the database")

    shown = [
        updated.content,
        alice.get("/api/v1/secrets").content,
        alice.get("/api/v1/secrets/db-password").content,
        alice.get("/api/v1/audit").content,
    ]
    assert not [
        content for content in shown if VALUE.encode() in content or OTHER.encode() in content
    ]

    assert alice.delete("/api/v1/secrets/db-password").status == 204
    assert alice.get("/api/v1/secrets/db-password").status == 404

    verbs = [
        entry["verb"]
        for entry in alice.get("/api/v1/audit").json["items"]
        if "secrets/" in entry["resource"]
    ]
    assert verbs == ["delete", "update", "create"]


@pytest.mark.parametrize("role", list(BuiltInRole))
def test_operators_see_names_and_admins_manage(api_server: ApiServer, role: BuiltInRole) -> None:
    person = api_server.person("acme", "someone", role)
    assert (person.get("/api/v1/secrets").status == 200) == (
        role in {BuiltInRole.ADMIN, BuiltInRole.OPERATOR}
    )
    answer = person.post("/api/v1/secrets", {"name": "a", "value": VALUE})
    assert (answer.status == 201) == (role is BuiltInRole.ADMIN)


@pytest.mark.parametrize("value", ["", "12345", "é2", "with\0nul", "x" * 65_537])
def test_a_value_that_cannot_be_kept_or_masked_is_refused_and_not_repeated(
    alice: Client, value: str
) -> None:
    answer = alice.post("/api/v1/secrets", {"name": "a", "value": value})
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "value")
    assert not value or value.encode() not in answer.content


@pytest.mark.parametrize("name", ["", "A", "a_b", "a b", "x" * 64, "é"])
def test_a_name_that_cannot_be_is_refused(alice: Client, name: str) -> None:
    assert alice.post("/api/v1/secrets", {"name": name, "value": VALUE}).status == 400


def test_a_name_is_taken_once(alice: Client) -> None:
    create(alice)
    assert alice.post("/api/v1/secrets", {"name": "db-password", "value": VALUE}).status == 409


def test_a_run_without_its_secrets_is_refused_with_their_names(
    api_server: ApiServer, alice: Client
) -> None:
    ready(api_server, alice)
    alice.delete("/api/v1/secrets/api-key")
    api_server.session("gina@example.com").post(
        "/api/v1/secrets", {"name": "api-key", "value": VALUE}
    )
    answer = run(alice)
    assert answer.status == 409
    assert (
        answer.json["detail"] == "template naming needs secrets that the org does not have: api-key"
    )
    assert [problem["path"] for problem in answer.json["errors"]] == [
        "spec.template.phases[1].secrets"
    ]


def test_the_worker_gets_the_newest_value_with_its_work_and_nobody_else_does(
    api_server: ApiServer, alice: Client
) -> None:
    ready(api_server, alice)
    automation = run(alice, password=OTHER).json
    alice.call("PUT", "/api/v1/secrets/db-password", {"value": "a newer value"})
    work = work_for(api_server)
    assert work.secret_values == {"db-password": "a newer value", "api-key": "another value"}
    assert work.secret_environment == {"OPSICLE_VAR_PASSWORD": OTHER}
    assert work.environment == {"OPSICLE_VAR_WHO": "world"}
    shown = alice.get(f"/api/v1/automations/{automation['id']}").json
    assert shown["values"] == {"password": "••••", "who": "world"}


def test_a_rerun_has_the_same_secret_values(api_server: ApiServer, alice: Client) -> None:
    ready(api_server, alice)
    automation = run(alice, password=OTHER).json
    work_for(api_server, "first")
    assert alice.post(f"/api/v1/automations/{automation['id']}/rerun").status == 201
    assert work_for(api_server, "second").secret_environment == {"OPSICLE_VAR_PASSWORD": OTHER}


@pytest.mark.parametrize(("value", "why"), [("12345", "cannot be masked"), ("••••", "mask")])
def test_a_secret_value_that_cannot_be_masked_or_is_the_mask_is_refused(
    api_server: ApiServer, alice: Client, value: str, why: str
) -> None:
    ready(api_server, alice)
    answer = run(alice, password=value)
    assert answer.status == 400
    assert why in answer.json["errors"][0]["message"]


def test_a_secret_that_is_gone_when_the_work_is_handed_out_is_said_to_be(
    api_server: ApiServer, alice: Client
) -> None:
    ready(api_server, alice)
    run(alice, password=OTHER)
    alice.delete("/api/v1/secrets/api-key")
    work = work_for(api_server)
    assert "api-key was deleted" in work.withheld
    assert (work.secret_values, work.secret_environment) == ({}, {})


@pytest.mark.parametrize("table", ["secrets", "sealed_values"])
def test_a_row_that_was_tampered_with_withholds_the_work_and_harms_no_other(
    api_server: ApiServer, alice: Client, table: str
) -> None:
    ready(api_server, alice)
    run(alice, password=OTHER)
    api_server.state.write(
        lambda db: db.execute(f"UPDATE {table} SET ciphertext = zeroblob(60)").fetchall()
    )
    assert "cannot decrypt" in work_for(api_server).withheld


def test_anothers_orgs_row_put_in_ones_own_place_does_not_open(
    api_server: ApiServer, alice: Client
) -> None:
    ready(api_server, alice)
    api_server.session("gina@example.com").post(
        "/api/v1/secrets", {"name": "db-password", "value": "of globex alone"}
    )
    run(alice)
    swap = """
        UPDATE secrets SET (wrapped_key, ciphertext) = (
            SELECT s.wrapped_key, s.ciphertext
              FROM secrets s
             WHERE s.name = 'db-password' AND s.org_id <> :acme)
         WHERE name = 'db-password' AND org_id = :acme
    """
    acme = api_server.actor("alice@example.com").org_id
    api_server.state.write(lambda db: db.execute(swap, {"acme": acme}).fetchall())
    assert "cannot decrypt" in work_for(api_server).withheld


def test_no_file_of_the_server_holds_a_value(api_server: ApiServer, alice: Client) -> None:
    ready(api_server, alice)
    answer = alice.call(
        "POST",
        "/api/v1/automations",
        {"template": "naming", "values": {"password": OTHER}},
        **{"Idempotency-Key": "k"},
    )
    assert answer.status == 201
    assert work_for(api_server).secret_values
    for path in api_server.folder.path.iterdir():
        content = path.read_bytes() if path.is_file() else b""
        for value in (VALUE, OTHER):
            assert value.encode() not in content, path
            assert base64.b64encode(value.encode())[:-4] not in content, path


def test_the_master_key_is_made_once_for_its_owner_alone(api_server: ApiServer) -> None:
    file = api_server.folder.path / "master.key"
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    MasterKeyFile(api_server.folder, None).open_vault(api_server.state)
    assert file.read_bytes() == before


def test_a_start_with_another_master_key_is_refused(api_server: ApiServer) -> None:
    with pytest.raises(Conflict, match="master key is not the one"):
        Vault(MasterKey.create()).prove(api_server.state)


def test_a_start_without_the_master_key_is_refused_and_makes_no_new_one(
    api_server: ApiServer,
) -> None:
    file = api_server.folder.path / "master.key"
    file.unlink()
    with pytest.raises(Conflict, match=r"lost master\.key"):
        MasterKeyFile(api_server.folder, None).open_vault(api_server.state)
    assert not file.exists()


def test_a_master_key_that_others_can_read_is_refused(api_server: ApiServer) -> None:
    (api_server.folder.path / "master.key").chmod(0o640)
    with pytest.raises(NotAllowed, match="can be read by others"):
        MasterKeyFile(api_server.folder, None).open_vault(api_server.state)


def test_a_named_master_key_file_must_be_there_and_hold_one(
    api_server: ApiServer, tmp_path: Path
) -> None:
    file = tmp_path / "elsewhere.key"
    with pytest.raises(InvalidInput, match="does not exist"):
        MasterKeyFile(api_server.folder, file).open_vault(api_server.state)
    file.touch(mode=0o600)
    with pytest.raises(InvalidInput, match="holds no master key"):
        MasterKeyFile(api_server.folder, file).open_vault(api_server.state)


def closed_with_secrets(api_server: ApiServer, alice: Client) -> tuple[Path, bytes]:
    ready(api_server, alice)
    run(alice, password=OTHER)
    folder = api_server.folder.path
    api_server.close()
    return folder, (folder / "master.key").read_bytes()


def assert_everything_opens(folder: Path) -> None:
    again = ApiServer(folder)
    try:
        work = work_for(again)
        assert (work.secret_values["db-password"], work.secret_environment) == (
            VALUE,
            {"OPSICLE_VAR_PASSWORD": OTHER},
        )
    finally:
        again.close()


@pytest.fixture
def lone(tmp_path: Path, prepared_folder: Path) -> ApiServer:
    """Return a server that the test closes itself."""
    import shutil

    shutil.copytree(prepared_folder, tmp_path / "lone")
    return ApiServer(tmp_path / "lone")


def test_after_a_rotation_everything_opens_under_the_new_key_alone(lone: ApiServer) -> None:
    folder, before = closed_with_secrets(lone, lone.session("alice@example.com"))
    assert rotate_master_key(folder, None) == 3
    after = (folder / "master.key").read_bytes()
    assert after != before
    assert_everything_opens(folder)
    (folder / "master.key").write_bytes(before)
    with pytest.raises(Conflict, match="master key is not the one"):
        ApiServer(folder)


def test_a_rotation_that_ends_before_its_transaction_never_was(lone: ApiServer) -> None:
    folder, _ = closed_with_secrets(lone, lone.session("alice@example.com"))
    (folder / "master.key.next").touch(mode=0o600)
    (folder / "master.key.next").write_text(MasterKey.create().text)
    assert_everything_opens(folder)
    assert not (folder / "master.key.next").exists()


def test_a_rotation_that_ends_after_its_transaction_is_brought_to_its_end(lone: ApiServer) -> None:
    folder, before = closed_with_secrets(lone, lone.session("alice@example.com"))
    rotate_master_key(folder, None)
    (folder / "master.key").rename(folder / "master.key.next")
    (folder / "master.key").touch(mode=0o600)
    (folder / "master.key").write_bytes(before)
    assert_everything_opens(folder)


def test_a_rotation_changes_nothing_if_something_does_not_open(lone: ApiServer) -> None:
    folder, before = closed_with_secrets(lone, lone.session("alice@example.com"))
    import apsw

    connection = apsw.Connection(str(folder / "opsicle.db"))
    connection.execute("UPDATE secrets SET wrapped_key = zeroblob(60) WHERE name = 'api-key'")
    connection.close()
    with pytest.raises(Conflict, match="api-key cannot be decrypted"):
        rotate_master_key(folder, None)
    again = ApiServer(folder)
    assert (folder / "master.key").read_bytes() == before
    again.close()


def test_a_rotation_is_refused_while_a_server_runs(api_server: ApiServer) -> None:
    with pytest.raises(Conflict, match="another server"):
        rotate_master_key(api_server.folder.path, None)
