"""Commands on files that need no server: `templates validate` and `run FILE`."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.product import User
from tests.support import wait_until

HEAD = "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: hello}\nspec:\n"


@pytest.fixture
def alice(tmp_path: Path) -> User:
    return User(tmp_path / "alice", "alice@example.com")


def write(folder: Path, spec: str, name: str = "hello.yaml") -> str:
    path = folder / name
    path.write_text(HEAD + spec)
    return str(path)


def phases(*commands: str, more: str = "") -> str:
    listed = ", ".join(json.dumps(command) for command in commands)
    return f"  template: {{phases: [{{name: greet, commands: [{listed}]{more}}}]}}\n"


def test_a_valid_file_is_said_to_be_valid(alice: User, tmp_path: Path) -> None:
    file = write(tmp_path, phases("true"))

    assert alice.cli("templates", "validate", file).startswith(
        f"{file}: AutomationTemplate hello is valid\n"
    )
    assert alice.json("templates", "validate", file)["is_valid"] is True


def test_every_mistake_is_shown_with_file_line_and_path(alice: User, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "  template:\n    phases:\n      - name: a\n        comands: [x]\n        timeout: soon\n",
    )
    done = alice.attempt("templates", "validate", file)

    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{file}:8: spec.template.phases[0].comands: unknown field" in done.stderr
    assert f"{file}:9: spec.template.phases[0].timeout:" in done.stderr


def test_an_invalid_file_is_one_json_value_too(alice: User, tmp_path: Path) -> None:
    good, bad = write(tmp_path, phases("true")), write(tmp_path, "  nothing: 1\n", "bad.yaml")
    done = alice.attempt("-o", "json", "templates", "validate", good, bad)

    assert done.returncode == 2

    first, second = json.loads(done.stdout)
    assert (first["is_valid"], second["is_valid"]) == (True, False)
    assert second["errors"][0]["path"]


def test_a_warning_does_not_make_a_file_invalid(alice: User, tmp_path: Path) -> None:
    file = write(tmp_path, "  variables: [{id: who}]\n" + phases("echo $OPSICLE_VAR_WHO"))
    done = alice.attempt("templates", "validate", file)

    assert done.returncode == 0
    assert "warning:" in done.stderr


@pytest.mark.parametrize("kind", ["absent", "folder", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_invalid_input(
    alice: User, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "x.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not UTF-8":
        path.write_bytes(b"a: \xff")
    for command in (["templates", "validate"], ["run"]):
        done = alice.attempt(*command, str(path))
        assert done.returncode == 2
        assert str(path) in done.stderr


def test_a_run_passes_both_streams_on_and_says_where_it_is(alice: User, tmp_path: Path) -> None:
    file = write(tmp_path, phases("echo out; echo err >&2; printf 'no newline'"))
    done = alice.attempt("run", file)

    assert done.returncode == 0
    assert done.stdout == "out\nno newline"
    assert "── greet\n" in done.stderr
    assert "err\n" in done.stderr
    assert "succeeded" in done.stderr


OUTPUTS = phases(
    "echo 'path=/tmp/a b' >> $OPSICLE_OUTPUT",
    "printf '# Done\\n\\033[31m3 files\\n' >> $OPSICLE_SUMMARY",
    more=", outputs: [path]",
)


def test_outputs_and_summary_of_a_run_are_shown_beside_its_output(
    alice: User, tmp_path: Path
) -> None:
    done = alice.attempt("run", write(tmp_path, OUTPUTS))

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith('\n# Done\n^[[31m3 files\n\nOUTPUTS\npath="/tmp/a b"\n')


def test_outputs_and_summary_of_a_run_as_json(alice: User, tmp_path: Path) -> None:
    done = alice.attempt("-o", "json", "run", write(tmp_path, OUTPUTS))

    result = json.loads(done.stdout)
    assert result["outputs"] == {"path": "/tmp/a b"}
    assert result["summary"] == "# Done\n\x1b[31m3 files"


def test_a_run_as_json_leaves_stdout_to_the_result(alice: User, tmp_path: Path) -> None:
    file = write(
        tmp_path, "  variables: [{id: n, type: number, default: 3}]\n" + phases("echo out; exit 7")
    )
    done = alice.attempt("-o", "json", "run", file, "--var", "n=4")

    assert done.returncode == 1

    result = json.loads(done.stdout)
    assert result["state"] == "failed"
    assert result["exit_code"] == 7
    assert result["values"] == {"n": 4}
    assert [phase["state"] for phase in result["phases"]] == ["failed"]
    assert "out\n" in done.stderr


def test_a_run_that_times_out_ends_with_12(alice: User, tmp_path: Path) -> None:
    file = write(tmp_path, phases("sleep 60", more=", timeout: 1"))
    assert alice.attempt("run", file).returncode == 12


def test_ctrl_c_cancels_a_run_and_its_clean_up_still_happens(alice: User, tmp_path: Path) -> None:
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"
    file = write(
        tmp_path,
        f'  template: {{phases: [{{name: work, commands: ["touch {begun}; sleep 60"]}},'
        f' {{name: clean, when: always, commands: ["touch {cleaned}"]}}]}}\n',
    )
    run = alice.start("run", "run", file)
    wait_until(begun.exists)

    run.popen.send_signal(signal.SIGINT)

    assert run.popen.wait(60) == 11
    assert cleaned.exists()
    assert "Traceback" not in run.log()


def test_values_come_from_options_over_file_over_defaults(alice: User, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "  variables: [{id: a, default: x}, {id: b, default: x}, {id: c, default: x},"
        " {id: d, multiple: true}]\n"
        + phases('echo "$OPSICLE_VAR_A $OPSICLE_VAR_B $OPSICLE_VAR_C" $OPSICLE_VAR_D'),
    )
    values = tmp_path / "values.yaml"
    values.write_text("b: file\nc: file\n")

    printed = alice.cli(
        "run", file, "--var-file", str(values), "--var", "c=op=tion", "--var", "d=1", "--var", "d=2"
    )

    assert printed == "x file op=tion 1 2\n"


def test_every_wrong_value_is_shown_before_anything_starts(alice: User, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    file = write(
        tmp_path,
        f"  variables: [{{id: n, type: number}}, {{id: b, type: bool}}]\n{phases(f'touch {ran}')}",
    )

    done = alice.attempt("run", file, "--var", "n=many", "--var", "b=perhaps", "--var", "nn=1")

    assert done.returncode == 2
    for path in ("values.n:", "values.b:", "values.nn:"):
        assert path in done.stderr
    assert not ran.exists()


def test_a_missing_required_value_is_not_asked_for_without_a_terminal(
    alice: User, tmp_path: Path
) -> None:
    file = write(tmp_path, "  variables: [{id: who, isRequired: true}]\n" + phases("true"))
    done = alice.attempt("run", file)

    assert done.returncode == 2
    assert "values.who: is required" in done.stderr


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (
            "  approvalPolicy: {policyRef: production}\n" + phases("touch ran"),
            "spec.approvalPolicy",
        ),
        (
            phases("touch ran", more=", image: alpine"),
            "spec.template.phases[0].image: no container can be run here: there is no program",
        ),
        (
            phases("touch ran", more=", slurm: {}"),
            "spec.template.phases[0].slurm: nothing can be handed to Slurm here: there is no",
        ),
    ],
)
def test_what_cannot_be_carried_out_here_is_refused_before_anything_starts(
    alice: User, tmp_path: Path, spec: str, path: str
) -> None:
    alice.environment["PATH"] = str(tmp_path)  # a machine without podman and docker
    done = alice.attempt("run", write(tmp_path, spec))

    assert done.returncode == 2
    assert path in done.stderr
    assert "nothing was started" in done.stderr


def test_a_file_has_no_versions(alice: User, tmp_path: Path) -> None:
    assert alice.attempt("run", write(tmp_path, phases("true")), "--version", "2").returncode == 2


SECRETIVE = """
  variables: [{id: typed, type: secret, isRequired: true}]
  template:
    phases:
      - name: use
        secrets: [db-password]
        commands: ['echo "$OPSICLE_SECRET_DB_PASSWORD/$OPSICLE_VAR_TYPED"']
"""


def test_secrets_of_a_file_come_from_files_and_are_masked(alice: User, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse\n")
    (tmp_path / "values.yaml").write_text("typed: battery staple\n")

    values, secret = (
        ("--var-file", str(tmp_path / "values.yaml")),
        f"db-password={tmp_path / 'secret'}",
    )
    done = alice.attempt(
        "-o", "json", "run", write(tmp_path, SECRETIVE), *values, "--secret-file", secret
    )

    assert done.returncode == 0, done.stderr
    assert "***/***" in done.stderr
    assert json.loads(done.stdout)["values"] == {"typed": "••••"}
    assert "correct" not in done.stdout + done.stderr
    assert "battery" not in done.stdout + done.stderr


def test_a_file_that_needs_secrets_is_not_run_without_them(alice: User, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("typed: battery staple\n")
    done = alice.attempt(
        "run", write(tmp_path, SECRETIVE), "--var-file", str(tmp_path / "values.yaml")
    )

    assert done.returncode == 2
    assert "db-password" in done.stderr
    assert "--secret-file" in done.stderr


def test_a_secret_is_not_taken_from_the_command_line(alice: User, tmp_path: Path) -> None:
    done = alice.attempt("run", write(tmp_path, SECRETIVE), "--var", "typed=battery staple")

    assert done.returncode == 2
    assert "values.typed" in done.stderr
    assert "battery" not in done.stderr


PLAN = (
    "  plan: [{name: look, outputs: [n], commands: ['echo n=%s >> \"$OPSICLE_OUTPUT\"', '%s']}]\n"
)


def test_a_plan_runs_before_the_rest_which_reads_what_it_hands_on(
    alice: User, tmp_path: Path
) -> None:
    file = write(tmp_path, PLAN % (3, "true") + phases('echo "$OPSICLE_OUTPUT_N to come"'))

    done = alice.attempt("-o", "json", "run", file)

    result = json.loads(done.stdout)
    assert [each["name"] for each in result["phases"]] == ["look", "greet"]
    assert result["outputs"] == {"n": "3"}
    assert "3 to come" in done.stderr


def test_nothing_else_runs_where_a_plan_fails(alice: User, tmp_path: Path) -> None:
    file = write(tmp_path, PLAN % (3, "false") + phases("echo never"))

    done = alice.attempt("run", file)

    assert done.returncode == 1
    assert "never" not in done.stdout
