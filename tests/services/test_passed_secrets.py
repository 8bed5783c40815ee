"""Secrets that are handed to what a template calls, or starts: they reach it, and stay secret."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.server.access.actor import Actor
from opsicle.server.store.database import Connection
from opsicle.wire.secret_api import CreateSecretRequest
from opsicle.wire.user_api import RunRequest
from tests.services.chaining import run_first, turn
from tests.services.core import Core
from tests.services.template_calls import Calling, caller

ORG_SECRET, TYPED = "Tr0ub4dor-of-the-org", "Tr0ub4dor-as-typed"
BOTH = "{template: dump, values: {password: {secret: db-password}, token: {variable: token}}}"

DUMP = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: dump}
spec:
  variables: [{id: password, type: secret, isRequired: true}, {id: token, type: secret}]
  template: {phases: [{name: act, commands: ["true"]}]}
"""


@pytest.fixture
def admin(core: Core, alice: Actor) -> Actor:
    return core.person(alice.org_id, "root", BuiltInRole.ADMIN)


@pytest.fixture
def dump(core: Core, alice: Actor, admin: Actor) -> Core:
    """Return a team with a secret, and a template that wants two in its variables."""
    request = CreateSecretRequest(name="db-password", value=ORG_SECRET)
    core.services.secrets.create(admin, request)
    core.push_again(alice, DUMP)
    return core


def with_token(document: str) -> str:
    """Return a document with a secret variable of its own."""
    return document.replace("variables: [", "variables: [{id: token, type: secret}, ", 1)


def ending_with(chained: str) -> str:
    """Return a template that calls nothing, but starts this after a success."""
    document = caller()
    return document[: document.index("      - {name: both")] + f"  onSuccess: [{chained}]\n"


def begun(core: Core, alice: Actor, call: str = BOTH) -> Calling:
    core.push_again(alice, with_token(caller(call)))
    calling = Calling(core, alice)
    request = RunRequest(template="caller", values={"token": TYPED})
    calling.automation = core.automations.create(alice, request)
    return calling.begin()


def test_a_call_hands_on_a_secret_of_the_org_and_one_of_its_own(
    dump: Core, alice: Actor, admin: Actor
) -> None:
    calling = begun(dump, alice).call().turn()

    [work] = calling.holder.poll().work
    assert work.template == "dump"
    assert work.secret_environment == {
        "OPSICLE_VAR_PASSWORD": ORG_SECRET,
        "OPSICLE_VAR_TOKEN": TYPED,
    }
    secret = dump.services.secrets.get(admin, "db-password")
    assert secret.last_use
    assert (secret.last_use.automation, secret.last_use.template) == (work.automation_id, "dump")
    manifest = msgspec.json.decode(work.manifest)
    assert manifest["secret_variables"].keys() == {"password", "token"}
    assert set(calling.child().values.values()) == {"\N{BULLET}" * 4}


def test_nothing_on_the_disk_or_in_manifests_holds_a_secret_that_is_handed_on(
    dump: Core, alice: Actor
) -> None:
    calling = begun(dump, alice).call().turn()

    [work] = calling.holder.poll().work

    stored = b"".join(file.read_bytes() for file in dump.folder.glob("*.db*"))
    for secret in (ORG_SECRET, TYPED):
        assert secret.encode() not in stored + calling.work.manifest + work.manifest
    assert b"db-password" in calling.work.manifest  # its name is bound


def test_a_start_after_the_end_hands_on_the_same(dump: Core, alice: Actor, admin: Actor) -> None:
    dump.push_again(alice, with_token(ending_with(BOTH)))
    run_first(dump, alice, template="caller", token=TYPED)

    turn(dump)

    [work] = dump.worker(alice.org_id, "another").poll().work
    secret = dump.services.secrets.get(admin, "db-password")
    assert secret.last_use
    assert secret.last_use.automation == work.automation_id
    assert work.secret_environment == {
        "OPSICLE_VAR_PASSWORD": ORG_SECRET,
        "OPSICLE_VAR_TOKEN": TYPED,
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{password: {variable: site}}", "is secret in dump"),
        ("{password: {output: host}}", "is secret in dump"),
    ],
)
def test_what_can_be_read_is_no_value_of_a_secret_variable(
    dump: Core, alice: Actor, values: str, said: str
) -> None:
    dump.push_again(alice, caller(f"{{template: dump, values: {values}}}"))

    with pytest.raises(Conflict) as refused:
        dump.run(alice, "caller")

    assert said in refused.value.problems[0].message


@pytest.mark.parametrize("source", ["{secret: db-password}", "{variable: token}"])
def test_a_secret_is_not_handed_to_a_variable_that_everybody_can_read(
    dump: Core, alice: Actor, source: str
) -> None:
    dump.push_again(alice, DUMP.replace("name: dump", "name: shows").replace(", type: secret", ""))
    call = f"{{template: shows, values: {{password: {source}}}}}"
    dump.push_again(alice, with_token(caller(call)))

    with pytest.raises(Conflict) as refused:
        dump.run(alice, "caller")

    assert "everybody can read it in shows" in refused.value.problems[0].message


def test_a_variable_that_is_secret_no_more_when_a_start_is_due_gets_nothing(
    dump: Core, alice: Actor
) -> None:
    chained = "{template: dump, values: {password: {secret: db-password}}}"
    dump.push_again(alice, ending_with(chained))
    parent = run_first(dump, alice, template="caller")
    dump.push_again(alice, DUMP.replace("{id: password, type: secret,", "{id: password,"))

    turn(dump)

    [start] = dump.automations.get(alice, parent.id).chained_starts
    assert start.state == "refused"
    assert "everybody can read it" in start.reason


def test_a_secret_that_the_org_lacks_is_named_when_the_caller_is_triggered(
    dump: Core, alice: Actor
) -> None:
    dump.push_again(alice, with_token(caller(BOTH.replace("db-password", "other"))))

    with pytest.raises(Conflict, match="secrets that the org does not have: other"):
        dump.run(alice, "caller")


def test_a_secret_that_is_gone_when_the_call_is_due_fails_the_phase(
    dump: Core, alice: Actor, admin: Actor
) -> None:
    calling = begun(dump, alice)
    dump.services.secrets.delete(admin, "db-password")

    calling.call().turn()

    assert "the secret db-password is there no more" in calling.called[0].reason


def test_secret_values_that_were_put_in_the_place_of_the_callers_are_not_handed_on(
    dump: Core, alice: Actor
) -> None:
    calling = begun(dump, alice)
    request = RunRequest(template="caller", values={"token": "of-another-run"})
    other = dump.automations.create(alice, request)

    def altered(db: Connection) -> None:
        db.execute(
            "UPDATE sealed_values SET (wrapped_key, ciphertext) = (SELECT wrapped_key, ciphertext"
            " FROM sealed_values WHERE automation_id = ?) WHERE automation_id = ?",
            (other.id, calling.automation.id),
        )

    dump.database.write(altered)
    calling.call().turn()

    assert "cannot be decrypted" in calling.called[0].reason


def test_a_secret_in_the_document_is_refused_with_the_way_to_name_one(
    dump: Core, alice: Actor
) -> None:
    with pytest.raises(InvalidInput) as refused:
        dump.push_again(alice, caller("{template: dump, values: {password: hunter22}}"))

    assert "{secret: NAME}" in refused.value.problems[0].message
