"""Finding automations, and reading their logs, from the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Installation, User
from tests.thin_api import Api

COUNT = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: count}
spec:
  variables: [{id: lines, type: number, default: 5}]
  template: {phases: [{name: one, timeout: 60, commands: ['seq "$OPSICLE_VAR_LINES"']}]}
"""
HUSH = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: hush}
spec:
  variables: [{id: password, type: secret}]
  template:
    phases: [{name: one, timeout: 60, commands: ['echo "its value is $OPSICLE_VAR_PASSWORD"']}]
"""
LINES = 40_000
"""More than what is read first to find the last lines."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("lists")) as installation:
        installation.worker("w1")
        installation.push(COUNT)
        installation.push(HUSH)
        installation.push(COUNT.replace("name: count", "name: idle"))
        yield installation


@pytest.fixture(scope="module")
def olga(installation: Installation) -> User:
    return installation.person("olga@example.com", "operator")


@pytest.fixture(scope="module")
def automation_id(olga: User) -> str:
    automation = olga.json("run", "count", "--var", f"lines={LINES}", "--follow")
    assert automation["state"] == "succeeded"
    return str(automation["id"])


def ids(user: User, *options: str) -> list[str]:
    return [found["id"] for found in user.json("automations", "list", *options)]


def test_a_list_is_narrowed_to_a_requester_and_a_time(
    installation: Installation, olga: User, automation_id: str
) -> None:
    alice = installation.admin
    made = alice.json("run", "count", "--follow")
    own = made["id"]

    assert ids(alice, "--requester", "olga@example.com") == [automation_id]
    assert ids(
        alice, "--requester", "alice@example.com", "--state", "succeeded", "--template", "count"
    ) == [own]
    assert ids(alice, "--since", "10m") == [own, automation_id]
    assert ids(alice, "--since", "2026-01-01") == [own, automation_id]
    assert ids(alice, "--since", "2100-01-01T00:00:00+02:00") == []
    assert ids(alice, "--until", "2100-01-01", "--limit", "1") == [own]
    assert ids(alice, "--since", "2026-01-01", "--until", made["created_at"]) == [automation_id]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--template", "cuont", "there is no template cuont"),
        ("--requester", "nobody@example.com", "nobody in the org is nobody@example.com"),
    ],
)
def test_a_filter_that_names_nothing_is_not_found(
    olga: User, automation_id: str, option: str, value: str, said: str
) -> None:
    done = olga.attempt("automations", "list", option, value)

    assert done.returncode == 4
    assert said in done.stderr
    assert done.stdout == ""


def test_a_filter_that_finds_nothing_yet_is_an_empty_list(olga: User, automation_id: str) -> None:
    assert ids(olga, "--template", "idle") == []
    assert ids(olga, "--template", "count", "--state", "failed") == []
    assert ids(olga, "--requester", "alice@example.com", "--state", "failed") == []


@pytest.mark.parametrize(
    "command", [("automations", "list"), ("automations", "search", "x"), ("logs", "x")]
)
@pytest.mark.parametrize("text", ["yesterday", "", "999999w", "10 fortnights"])
def test_a_time_that_is_none_is_a_mistake(olga: User, command: tuple[str, ...], text: str) -> None:
    options = ["--since"] if command[1] == "list" else ["--since", "--until"]
    for option in options:
        done = olga.attempt(*command, option, text)

        assert done.returncode == 2
        assert f"{option}: {text!r} is no time" in done.stderr
        for form in ("10m", "7d", "2026-03-01T12:00:00Z"):
            assert form in done.stderr


def test_the_last_lines_of_a_log(olga: User, automation_id: str) -> None:
    whole = "".join(f"{n}\n" for n in range(1, LINES + 1))

    assert olga.cli("logs", automation_id) == whole
    assert olga.cli("logs", automation_id, "--tail", "3") == f"{LINES - 2}\n{LINES - 1}\n{LINES}\n"
    assert olga.cli("logs", automation_id, "--tail", "0") == ""
    assert olga.cli("logs", automation_id, "--tail", "30000") == "".join(
        whole.splitlines(keepends=True)[-30_000:]
    )
    assert olga.cli("logs", automation_id, "--tail", str(LINES + 5)) == whole
    assert olga.cli("logs", automation_id, "--tail", "2", "--follow") == f"{LINES - 1}\n{LINES}\n"


def test_the_lines_of_a_log_with_their_times(olga: User, automation_id: str) -> None:
    lines = olga.cli("logs", automation_id, "--timestamps", "--tail", "3").splitlines()

    assert [line.split(" ", 1)[1] for line in lines] == [str(LINES - 2), str(LINES - 1), str(LINES)]
    for line in lines:
        assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line)


def test_any_lines_of_a_log_and_the_lines_with_a_text(olga: User, automation_id: str) -> None:
    assert olga.cli("logs", automation_id, "--lines", "7-9") == "7\n8\n9\n"
    assert olga.cli("logs", automation_id, "--lines", f"{LINES}-") == f"{LINES}\n"
    assert olga.cli("logs", automation_id, "--lines", "12") == "12\n"
    assert olga.cli("logs", automation_id, "--since", "1h", "--tail", "1") == f"{LINES}\n"
    beyond = olga.attempt("logs", automation_id, "--lines", f"{LINES + 1}-")
    assert (beyond.returncode, beyond.stdout) == (0, "")
    assert "the log has no such line" in beyond.stderr
    assert olga.cli("logs", automation_id, "--until", "1h") == ""
    assert olga.cli("logs", automation_id, "--stream", "stderr") == ""

    assert olga.cli("logs", automation_id, "--grep", "3999") == "".join(
        f"{n}:{n}\n" for n in (3999, 13999, 23999, 33999, *range(39990, 40000))
    )
    found = olga.json("logs", automation_id, "--regex", "--grep", "^1?7{4}$")
    assert [(each["line"], each["text"]) for each in found] == [(7777, "7777"), (17777, "17777")]


def test_the_same_parts_of_a_log_come_over_http(
    installation: Installation, automation_id: str
) -> None:
    path = f"/api/v1/automations/{automation_id}/log"
    with Api(installation.access()) as api:
        assert api.request("GET", f"{path}?from_line=7&lines=3") == b"7\n8\n9\n"
        assert api.request("GET", f"{path}?tail=2") == b"39999\n40000\n"
        whole = b"".join(b"%d\n" % n for n in range(1, LINES + 1))
        assert api.request("GET", f"{path}?from_line=1") == whole
        assert api.request("GET", f"{path}?from=2026-01-01&to=2026-01-02") == b""
        for query in ("tail=2&lines=3", "from_line=0", "stream=x", "from=never", "offset=x"):
            with pytest.raises(RuntimeError, match=": 400 "):
                api.request("GET", f"{path}?{query}")

        page = api.json("GET", f"{path}/lines?from_line=39999")
        assert [line["line"] for line in page["lines"]] == [39_999, 40_000]
        assert (page["total_lines"], page["next_line"]) == (LINES, None)
        assert api.json("GET", f"{path}/lines?lines=9000")["next_line"] == 5_001


def test_what_is_masked_is_not_found(olga: User, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("password: a-needle-in-a-haystack\n")
    olga.json("run", "hush", "--var-file", str(values), "--follow")

    found = olga.json("automations", "search", "in-a-haystack")
    assert found == []
    [line] = olga.json("automations", "search", "its value is")
    assert line["text"] == "its value is ***"


@pytest.mark.parametrize(
    "options",
    [
        ("--lines", "9-7"),
        ("--lines", "0-7"),
        ("--lines", "some"),
        ("--lines", "1-2", "--tail", "3"),
        ("--lines", "1-2", "--follow"),
        ("--regex",),
        ("--grep", "x", "--lines", "1-2"),
        ("--grep", "(", "--regex"),
        ("--since", "yesterday"),
    ],
)
def test_lines_that_cannot_be_are_a_mistake(
    olga: User, automation_id: str, options: tuple[str, ...]
) -> None:
    done = olga.attempt("logs", automation_id, *options)

    assert (done.returncode, done.stdout) == (2, "")


def test_the_logs_of_the_org_are_searched(
    installation: Installation, olga: User, automation_id: str
) -> None:
    done = olga.attempt("-o", "json", "automations", "search", "39999", "--template", "count")
    assert [(each["automation_id"], each["line"]) for each in json.loads(done.stdout)] == [
        (automation_id, 39_999)
    ]
    assert re.fullmatch(r"searched 2\d\d KiB\n", done.stderr)

    done = olga.attempt("automations", "search", "39", "--since", "1h", "--limit", "3")
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["TEXT", "39", "139", "239"]
    cursor = done.stderr.split()[-1]
    # How much it has looked at by then depends on the pieces in which the log has come.
    assert re.match(
        r"searched \S+ KiB of 2\d\d KiB(, back to .*)?; go on with --cursor ", done.stderr
    )
    done = olga.attempt("automations", "search", "39", "--limit", "2", "--cursor", cursor)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["TEXT", "339", "390"]
