"""The lists of CONTRIBUTING.md are whole, and every test that a promise names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import CHECKOUT

SECTION = re.compile(r"^### … (.+?)$(.*?)(?=^##)", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def listed(title: str) -> list[str]:
    """Return the files that a section's table names."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text()
    (body,) = [body for name, body in SECTION.findall(text) if name.startswith(title)]
    return FILE.findall(body)


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in (CHECKOUT / folder).rglob("*"):
            if path.suffix in {".py", ".js", ".sql"} and "migrations" not in path.parts:
                yield path


def naming(word: str) -> set[str]:
    """Return the sources of the product that name something."""
    pattern = re.compile(rf"\b(?:{word})\b")
    return {
        str(path.relative_to(CHECKOUT))
        for path in sources("opsicle", "assets")
        if pattern.search(path.read_text())
    }


@pytest.mark.parametrize(
    "title",
    ["a noun", "a kind of channel", "a field of a phase", "a way for a schedule", "a runtime"],
)
def test_every_file_that_is_listed_is_there(title: str) -> None:
    assert [path for path in listed(title) if not (CHECKOUT / path).exists()] == []


def test_a_noun_costs_no_more_files_than_are_listed() -> None:
    files = listed("a noun")
    own = re.compile(r"(^|[/_-])secrets?([/_.-])")
    there = {str(path.relative_to(CHECKOUT)) for path in sources("opsicle", "assets")}
    of_jobs = {path for path in there if path.startswith("opsicle/worker/")}  # masking is no noun's

    assert len(files) <= 19
    assert {path for path in there - of_jobs if own.search(path)} - set(files) == set()
    assert [path for path in files if "secret" not in (CHECKOUT / path).read_text().lower()] == []


def test_a_kind_of_channel_costs_the_files_that_are_listed() -> None:
    files = listed("a kind of channel")
    besides = ["tests/api/test_teams.py", "docs/channels.md", "CHANGELOG.md"]

    assert len(files) + len(besides) <= 5
    assert naming("teams|Teams|TeamsConfig") == set(files)
    assert [path for path in besides if "teams" not in (CHECKOUT / path).read_text()] == []


def test_a_field_of_a_phase_costs_the_files_that_are_listed() -> None:
    files = listed("a field of a phase")

    assert len(files) <= 8
    assert naming("working_directory") == set(files)


def test_a_way_for_a_schedule_to_say_its_times_costs_the_files_that_are_listed() -> None:
    named = naming(r"schedule\.every|every=_every|every: int|cron, every")

    assert named == set(listed("a way for a schedule"))


def test_a_runtime_costs_the_files_that_are_listed() -> None:
    assert naming("SubprocessRuntime") | {"pyproject.toml"} == set(listed("a runtime"))


def test_every_test_that_a_promise_names_is_there() -> None:
    text = (CHECKOUT / "docs/reliability.md").read_text()
    named = re.findall(r"`(\w+/test_\w+\.py)`", text)

    assert len(named) > 40
    assert [path for path in named if not (CHECKOUT / "tests" / path).exists()] == []


def test_every_folder_of_the_server_stands_in_the_page_about_the_architecture() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text()
    folders = {path.parent.name for path in (CHECKOUT / "opsicle/server").glob("*/__init__.py")}

    assert len(folders) > 20
    assert [name for name in sorted(folders) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_and_function_on_the_way_through_the_code_is_there(page: str) -> None:
    text = (CHECKOUT / page).read_text()
    named = re.findall(r"`((?:server|worker|client|cli|domain|wire)/[\w/]+\.py)(?:: (\w+))?`", text)

    assert len(named) >= 8
    for path, function in named:
        source = (CHECKOUT / "opsicle" / path).read_text()
        assert not function or re.search(
            rf"\bdef {function}\(|^{function} = ", source, re.MULTILINE
        ), path
