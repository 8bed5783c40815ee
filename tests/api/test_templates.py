"""Templates: pushed, kept as versions, compared, deleted."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.running_server import ApiServer, Client


def source(name: str = "restart-web", command: str = "nginx -t", more: str = "") -> str:
    return f"""apiVersion: v1
type: AutomationTemplate
metadata:
  name: {name}
  labels: {{tier: web}}
spec:
  metadata: {{displayName: Restart, description: Restart the web tier, owners: [{{name: Ada}}]}}
{more}
  variables: [{{id: service, type: string, default: nginx}}]
  template:
    phases:
      - name: check
        commands: ["{command}"]
"""


@pytest.fixture
def olga(api_server: ApiServer) -> Client:
    """Return an operator."""
    return api_server.person("acme", "olga", BuiltInRole.OPERATOR)


def push(client: Client, text: str) -> dict[str, object]:
    answer = client.post("/api/v1/templates", {"source": text})
    assert answer.status in (200, 201), answer.content
    return dict(answer.json)


def test_every_push_of_something_new_makes_the_next_version(olga: Client) -> None:
    assert [push(olga, source(command=f"echo {n}"))["version"] for n in range(3)] == [1, 2, 3]
    shown = olga.get("/api/v1/templates/restart-web").json
    assert (shown["version"], shown["latest_version"], shown["display_name"]) == (3, 3, "Restart")
    assert shown["phases"][0]["commands"] == ["echo 2"]
    assert shown["source"] == source(command="echo 2")
    assert shown["pushed_by"]["email"] == "olga@example.com"


def test_pushing_what_is_there_already_makes_no_version(olga: Client) -> None:
    first = olga.post("/api/v1/templates", {"source": source()})
    again = olga.post("/api/v1/templates", {"source": "# with a comment\n" + source()})
    assert (first.status, first.json["is_new"]) == (201, True)
    assert (again.status, again.json["is_new"], again.json["version"]) == (200, False, 1)
    assert again.json["digest"] == first.json["digest"]


def test_what_an_older_version_said_can_be_pushed_again(olga: Client) -> None:
    versions = [push(olga, source(command=command))["version"] for command in ("a", "b", "a")]
    assert versions == [1, 2, 3]


def test_pushes_at_once_never_make_the_same_number(api_server: ApiServer) -> None:
    actor = api_server.actor("alice@example.com")
    jobs = [
        gevent.spawn(api_server.services.templates.push, actor, source(command=f"echo {n}"))
        for n in range(20)
    ]
    gevent.joinall(jobs, raise_error=True)
    assert sorted(job.value.version for job in jobs) == list(range(1, 21))


def test_the_list_shows_the_newest_version_by_name_in_pages(olga: Client) -> None:
    for name in ("charlie", "alpha", "bravo"):
        push(olga, source(name))
    push(olga, source("alpha", "echo new"))
    first = olga.get("/api/v1/templates?limit=2").json
    second = olga.get(f"/api/v1/templates?limit=2&cursor={first['next_cursor']}").json
    listed = [(item["name"], item["version"]) for item in first["items"] + second["items"]]
    assert listed == [("alpha", 2), ("bravo", 1), ("charlie", 1)]
    assert first["items"][0]["labels"] == {"tier": "web"}
    assert first["items"][0]["owners"] == [{"name": "Ada"}]
    assert second["next_cursor"] == ""


def test_versions_are_listed_newest_first_and_shown_as_they_were(olga: Client) -> None:
    for n in range(3):
        push(olga, source(command=f"echo {n}"))
    first = olga.get("/api/v1/templates/restart-web/versions?limit=2").json
    second = olga.get(
        f"/api/v1/templates/restart-web/versions?limit=2&cursor={first['next_cursor']}"
    ).json
    assert [item["version"] for item in first["items"] + second["items"]] == [3, 2, 1]
    old = olga.get("/api/v1/templates/restart-web/versions/1").json
    assert (old["version"], old["latest_version"], old["phases"][0]["commands"]) == (
        1,
        3,
        ["echo 0"],
    )


@pytest.mark.parametrize("version", ["0", "4", "x", "-1", "1.0", "9" * 30, "²"])
def test_a_version_that_is_not_there_is_not_found(olga: Client, version: str) -> None:
    push(olga, source())
    assert olga.get(f"/api/v1/templates/restart-web/versions/{version}").status == 404


def test_a_diff_shows_what_changed_between_two_versions(olga: Client) -> None:
    for command in ("nginx -t", "nginx -T", "true"):
        push(olga, source(command=command))
    diff = olga.get("/api/v1/templates/restart-web/diff?from=1&to=2").json["diff"]
    assert '-        commands: ["nginx -t"]\n+        commands: ["nginx -T"]\n' in diff
    assert diff.startswith("--- restart-web version 1\n+++ restart-web version 2\n")
    newest = olga.get("/api/v1/templates/restart-web/diff").json
    assert (newest["from_version"], newest["to_version"]) == (2, 3)
    assert olga.get("/api/v1/templates/restart-web/diff?from=1&to=9").status == 404


def test_a_document_with_mistakes_is_refused_with_all_of_them(olga: Client) -> None:
    bad = source().replace("phases:", "phasez:").replace("type: string", "type: strin")
    for path in ("/api/v1/templates", "/api/v1/templates/validate"):
        answer = olga.post(path, {"source": bad})
        assert (answer.status, answer.code) == (400, "invalid_input")
        problems = {problem["path"]: problem.get("line") for problem in answer.json["errors"]}
        assert problems["spec.variables[0].type"] == 9
        assert problems["spec.template.phasez"] == 11
    assert olga.get("/api/v1/templates").json["items"] == []


def test_validate_keeps_nothing_and_warns(olga: Client) -> None:
    risky = source(
        command="systemctl restart $OPSICLE_VAR_SERVICE",
        more="  approvalPolicy: {policyRef: production}",
    )
    answer = olga.post("/api/v1/templates/validate", {"source": risky}).json
    assert (answer["name"], answer["type"]) == ("restart-web", "AutomationTemplate")
    assert "OPSICLE_VAR_SERVICE" in answer["warnings"][0]["message"]
    assert olga.get("/api/v1/templates/restart-web").status == 404


def test_a_deleted_template_frees_its_name_and_begins_anew(olga: Client) -> None:
    push(olga, source(command="old"))
    push(olga, source(command="older"))
    assert olga.delete("/api/v1/templates/restart-web").status == 204
    for path in ("", "/versions", "/versions/1", "/diff"):
        assert olga.get(f"/api/v1/templates/restart-web{path}").status == 404
    assert olga.delete("/api/v1/templates/restart-web").status == 404
    assert push(olga, source(command="new"))["version"] == 1
    assert len(olga.get("/api/v1/templates/restart-web/versions").json["items"]) == 1


def test_an_automation_keeps_the_version_of_a_template_that_was_deleted(olga: Client) -> None:
    push(olga, source(command="echo kept"))
    automation = olga.post("/api/v1/automations", {"template": "restart-web"})
    assert automation.status == 201, automation.content
    assert olga.delete("/api/v1/templates/restart-web").status == 204
    shown = olga.get(f"/api/v1/automations/{automation.json['id']}").json
    assert shown["phases"][0]["commands"][0]["command"] == "echo kept"


def test_two_orgs_may_have_templates_of_one_name(api_server: ApiServer, olga: Client) -> None:
    push(olga, source(command="acme's"))
    gina = api_server.session("gina@example.com")
    assert push(gina, source(command="globex's"))["version"] == 1
    assert olga.get("/api/v1/templates/restart-web").json["phases"][0]["commands"] == ["acme's"]


@pytest.mark.parametrize("cursor", ["x", "-1", "1e3", "²", "1" * 40])
def test_a_cursor_of_another_list_is_refused(olga: Client, cursor: str) -> None:
    push(olga, source())
    assert olga.get(f"/api/v1/templates/restart-web/versions?cursor={cursor}").status == 400


@pytest.mark.parametrize("limit", ["0", "201", "many"])
def test_a_page_has_from_one_to_two_hundred_items(olga: Client, limit: str) -> None:
    assert olga.get(f"/api/v1/templates?limit={limit}").status == 400


def test_a_stored_version_never_changes_not_even_by_sql(
    api_server: ApiServer, olga: Client
) -> None:
    push(olga, source())
    with pytest.raises(Exception, match="a template version never changes"):
        api_server.state.write(lambda db: db.execute("UPDATE template_versions SET source = 'x'"))
