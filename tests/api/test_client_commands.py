"""The commands that speak to a server, against a real one."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from opsicle.client.saved_logins import SavedLogin, SavedLogins, open_api
from opsicle.wire.endpoints.workers import CREATE_JOIN_TOKEN
from opsicle.wire.fleet_api import CreateJoinTokenRequest
from tests.product import Installation, User, program
from tests.support import wait_until

TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec:
  variables:
    - {id: seconds, type: number, default: 0}
    - {id: code, type: number, default: 0}
    - {id: who, default: nobody}
    - {id: tags, multiple: true}
  template:
    phases:
      - name: greet
        timeout: 20
        commands: ['echo "hello $OPSICLE_VAR_WHO" $OPSICLE_VAR_TAGS', 'echo oops >&2']
      - name: work
        timeout: 20
        commands: ['sleep "$OPSICLE_VAR_SECONDS"', 'exit "$OPSICLE_VAR_CODE"']
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("commands")) as installation:
        installation.worker("w1", None, "--label", "site=ams")
        installation.push(TEMPLATE.replace("NAME", "hello"))
        yield installation


@pytest.fixture
def alice(installation: Installation) -> User:
    """Return the admin, logged in."""
    return installation.admin


# People


def test_users_are_added_shown_changed_and_removed(alice: User) -> None:
    password = str(alice.password_file)
    made = alice.json(
        "users", "create", "--email", "carol@example.com", "--name", "Carol",
        "--role", "member", "--manager", alice.email, "--password-file", password,
    )  # fmt: skip
    assert made["manager"] == alice.email
    assert alice.json("users", "show", "carol@example.com") == made
    assert made in alice.json("users", "list")

    changed = alice.json(
        "users", "update", "carol@example.com", "--role", "reporter", "--manager", "", "--disable"
    )
    assert (changed["role"], changed["manager"], changed["is_disabled"]) == ("reporter", None, True)

    assert alice.attempt("users", "update", "carol@example.com").returncode == 2
    again = alice.attempt(
        "users",
        "create",
        "--email",
        "carol@example.com",
        "--role",
        "member",
        "--password-file",
        password,
    )
    assert again.returncode == 5

    alice.cli("users", "delete", "carol@example.com")
    assert alice.attempt("users", "show", "carol@example.com").returncode == 4


def test_a_member_may_not_do_what_is_for_operators(installation: Installation) -> None:
    mallory = installation.person("mallory@example.com", "member")
    assert mallory.attempt("workers", "token").returncode == 3
    assert mallory.attempt("users", "delete", "alice@example.com").returncode == 3


def test_a_list_can_be_limited_and_spans_pages(alice: User) -> None:
    entries = alice.json("audit", "list")
    assert [entry["seq"] for entry in entries] == sorted(
        (entry["seq"] for entry in entries), reverse=True
    )
    assert len(alice.json("audit", "list", "--limit", "2")) == 2
    api = open_api(session_of(alice))
    for _ in range(110 - len(entries)):
        api.call(CREATE_JOIN_TOKEN, body=CreateJoinTokenRequest(ttl_seconds=60))
    assert len(alice.json("audit", "list")) > 100


def session_of(user: User) -> SavedLogin:
    session = SavedLogins(Path(user.environment["OPSICLE_CONFIG_DIR"])).find("default")
    assert session
    return session


# Templates


def test_templates_are_pushed_listed_compared_and_deleted(alice: User, tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(TEMPLATE.replace("NAME", "pages"))
    assert alice.json("templates", "push", str(file))["version"] == 1
    file.write_text(TEMPLATE.replace("NAME", "pages").replace("oops", "ouch"))
    assert alice.json("templates", "push", str(file))["is_new"] is True
    assert alice.json("templates", "push", str(file))["is_new"] is False
    assert [version["version"] for version in alice.json("templates", "versions", "pages")] == [
        2,
        1,
    ]
    assert "pages" in [template["name"] for template in alice.json("templates", "list")]
    assert alice.cli("templates", "show", "pages", "--source") == file.read_text()
    diff = alice.cli("templates", "diff", "pages", "1", "2")
    assert any(line.startswith("+") and "ouch" in line for line in diff.splitlines())
    alice.cli("templates", "delete", "pages")
    assert alice.attempt("templates", "show", "pages").returncode == 4


def test_a_wrong_template_is_refused_with_its_file_and_lines(alice: User, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(TEMPLATE.replace("NAME", "wrong").replace("timeout", "timout"))
    done = alice.attempt("templates", "push", str(file))
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert "spec.template.phases[0].timout (line 13): unknown field" in done.stderr


# Automations


def test_a_followed_run_shows_the_log_live_and_ends_with_the_state(alice: User) -> None:
    done = alice.attempt(
        "run", "hello", "--var", "who=the world", "--var", "tags=a", "--var", "tags=b", "--follow"
    )
    assert done.returncode == 0
    assert done.stdout == "hello the world a b\n"
    assert "oops\n" in done.stderr
    assert "── work" in done.stderr


def test_a_followed_run_as_json_prints_the_final_automation(alice: User, tmp_path: Path) -> None:
    values = tmp_path / "values.json"
    values.write_text('{"who": "file", "code": 3}')
    done = alice.attempt(
        "-o", "json", "run", "hello", "--var-file", str(values), "--follow", "--reason", "because"
    )
    assert done.returncode == 1
    automation = json.loads(done.stdout)
    assert automation["state"] == "failed"
    assert automation["reason"] == "because"
    assert automation["values"]["who"] == "file"
    assert "hello file\n" in done.stderr


def test_an_automation_that_was_not_followed_can_be_watched_shown_and_run_again(
    alice: User,
) -> None:
    automation = alice.json("run", "hello", "--var", "who=later")
    log = alice.cli("logs", automation["id"], "--follow")
    assert sorted(log.splitlines()) == ["hello later", "oops"]
    assert alice.cli("logs", automation["id"]) == log
    assert base64.b64decode(alice.json("logs", automation["id"])["data"]).decode() == log
    shown = alice.json("automations", "show", automation["id"])
    assert shown["state"] == "succeeded"
    assert [phase["name"] for phase in shown["phases"]] == ["greet", "work"]
    again = alice.json("automations", "rerun", automation["id"])
    assert again["rerun_of"] == automation["id"]
    followed = alice.attempt("automations", "rerun", automation["id"], "--follow")
    assert followed.returncode == 0
    assert followed.stdout == "hello later\n"
    listed = alice.json("automations", "list", "--template", "hello", "--state", "succeeded")
    assert automation["id"] in [one["id"] for one in listed]


FAILS_ONCE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: fails-once}
spec:
  variables: [{id: judge, isRequired: true}]
  template:
    phases:
      - name: copy
        outputs: [path]
        commands: ['echo copied >> "$OPSICLE_VAR_JUDGE"', 'echo path=/b/1 >> "$OPSICLE_OUTPUT"']
      - name: restart
        commands:
          - 'echo "with $OPSICLE_OUTPUT_PATH" >> "$OPSICLE_VAR_JUDGE"'
          - 'test "$(wc -l < "$OPSICLE_VAR_JUDGE")" = 3'
"""


def test_what_failed_is_resumed_at_the_failed_phase_with_the_outputs_of_those_before(
    alice: User, tmp_path: Path
) -> None:
    judge, file = tmp_path / "judge", tmp_path / "fails-once.yaml"
    file.write_text(FAILS_ONCE)
    alice.cli("templates", "push", str(file))
    failed = alice.json("run", "fails-once", "--var", f"judge={judge}")
    alice.cli("logs", failed["id"], "--follow")

    made = alice.json("automations", "resume", failed["id"], "--phase-from", "restart")
    alice.cli("logs", made["id"], "--follow")

    shown = alice.json("automations", "show", made["id"])
    assert (shown["state"], shown["resumed_from"]) == ("succeeded", failed["id"])
    assert [phase["state"] for phase in shown["phases"]] == ["done_before", "succeeded"]
    assert shown["outputs"] == {"path": "/b/1"}
    assert judge.read_text() == "copied\nwith /b/1\nwith /b/1\n"
    assert "done_before" in alice.cli("automations", "show", made["id"])


def test_a_kept_workspace_is_gone_on_in(alice: User, tmp_path: Path) -> None:
    go, file = tmp_path / "go", tmp_path / "keeps.yaml"
    keeps = FAILS_ONCE.replace("fails-once", "keeps").replace(
        "  template:", "  keepWorkspace: 600\n  template:"
    )
    keeps = keeps.replace("echo copied", "echo copied | tee file")
    file.write_text(keeps.replace('test "$(wc -l', 'cat file; test "$(wc -l'))
    alice.cli("templates", "push", str(file))
    failed = alice.json("run", "keeps", "--var", f"judge={go}")
    alice.cli("logs", failed["id"], "--follow")
    assert "keeps it until" in alice.cli("automations", "show", failed["id"])

    made = alice.json("automations", "resume", failed["id"])

    assert alice.cli("logs", made["id"], "--follow").endswith("\ncopied\n")
    assert alice.json("automations", "show", made["id"])["state"] == "succeeded"


def test_a_cancelled_automation_ends_its_follower_with_11(alice: User) -> None:
    follower = alice.start("follower", "run", "hello", "--var", "seconds=15", "--follow")
    follower.wait_for("hello")
    running = alice.json("automations", "list", "--state", "running")
    alice.cli("automations", "cancel", running[0]["id"])
    assert follower.popen.wait(60) == 11


def test_ctrl_c_ends_the_watching_and_not_the_automation(alice: User) -> None:
    follower = alice.start(
        "detached", "run", "hello", "--var", "seconds=2", "--var", "who=detached", "--follow"
    )
    follower.wait_for("hello detached")
    follower.popen.send_signal(signal.SIGINT)
    assert follower.popen.wait(60) == 130
    assert "opsicle automations cancel" in follower.log()
    newest = alice.json("automations", "list", "--limit", "1")[0]["id"]
    alice.cli("logs", newest, "--follow")
    assert alice.json("automations", "show", newest)["state"] == "succeeded"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "absent"], 4, "absent"),
        (["run", "hello", "--version", "99"], 4, "99"),
        (["run", "hello", "--var", "seconds=soon"], 2, "values.seconds"),
        (["run", "hello", "--var", "sekonds=1"], 2, "did you mean `seconds`"),
        (["run", "hello", "--var", "seconds"], 2, "id=value"),
        (["automations", "show", "absent"], 4, "absent"),
        (["logs", "absent"], 4, "absent"),
        (["logs", "absent", "--follow"], 4, "absent"),
        (["workers", "show", "absent"], 4, "absent"),
        (["templates", "diff", "hello", "1", "9"], 4, "9"),
    ],
)
def test_what_cannot_be_done_is_explained(
    alice: User, arguments: list[str], code: int, said: str
) -> None:
    done = alice.attempt(*arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert said in done.stderr


# Workers


def test_a_worker_is_shown_drained_and_given_work_again(alice: User) -> None:
    worker = alice.json("workers", "show", "w1")
    assert worker["labels"]["site"] == "ams"
    assert worker["limits_by"]["subprocess"] in {
        *("cgroup v2", "rlimits"),
        "rlimits, and cgroup v1 for processes",
    }
    assert worker["id"] in [one["id"] for one in alice.json("workers", "list")]
    assert alice.json("workers", "drain", "w1")["state"] == "draining"
    waiting = alice.start("waiting", "run", "hello", "--follow")
    try:
        wait_until(lambda: "queued:" in waiting.log(), 60, "the reason for waiting")
    finally:
        assert alice.json("workers", "undrain", "w1")["state"] == "active"
    assert waiting.popen.wait(60) == 0


def test_a_join_token_is_shown_with_the_command_to_paste(alice: User) -> None:
    assert "opsicle worker --join-file - " in alice.cli("workers", "token", "--ttl", "60")
    assert alice.attempt("workers", "token", "--ttl", "5").returncode == 2


def test_a_job_calls_the_command_line_of_whoever_logged_in_on_its_machine(
    installation: Installation, alice: User
) -> None:
    call = " ".join(program()) + " whoami"
    inner = f"OPSICLE_CONFIG_DIR={alice.environment['OPSICLE_CONFIG_DIR']} {call}"
    template = TEMPLATE.replace("NAME", "nested")
    template = template.replace(
        """'echo "hello $OPSICLE_VAR_WHO" $OPSICLE_VAR_TAGS'""", f"'{inner}'"
    )
    installation.push(template)
    assert alice.email in alice.cli("run", "nested", "--follow")


# What workers were ordered to do


def test_the_trail_verifies_until_somebody_writes_to_the_database(
    installation: Installation, alice: User, tmp_path: Path
) -> None:
    ran = alice.json("run", "hello", "--follow")["id"]
    identity = next(installation.folder.glob("w1/**/identity.json"))
    key = tmp_path / "orders.pem"
    key.write_text(json.loads(identity.read_text())["order_key_pem"])

    text = alice.cli("automations", "trail", ran)
    (order,) = alice.json("automations", "trail", ran, "--public-key", str(key))["orders"]
    assert "all verify" in text
    assert order["manifest_digest"][:16] in text
    assert (order["worker"], order["problem"], len(order["signature"])) == ("w1", "", 128)

    with closing(apsw.Connection(str(installation.server.folder / "data" / "opsicle.db"))) as db:
        db.set_busy_timeout(60_000)
        db.execute("UPDATE automations SET reason = 'another' WHERE id = ?", (ran,))
    done = alice.attempt("automations", "trail", ran)
    assert done.returncode == 1
    assert "DOES NOT VERIFY: 1 of 1" in done.stdout
    assert "NO: what is stored of the automation is not what was ordered" in done.stdout
