"""`python3 build.py check` finds what it is there to find."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from building import asset_checks, checks
from building.project import ROOT

EXAMPLE_OF_A_PAGE = next(
    example
    for example in re.findall(
        "^```js\n(.*?)^```", (ROOT / "docs/frontend.md").read_text(), re.DOTALL | re.MULTILINE
    )
    if "export function mount(" in example
)
"""What a newcomer begins with."""


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small browser application that passes every check."""
    monkeypatch.setattr(asset_checks, "ASSETS", tmp_path)
    monkeypatch.setattr(asset_checks, "ROOT", tmp_path)

    (tmp_path / "lib").mkdir()
    (tmp_path / "index.html").write_text(
        '<link rel="icon" href="data:,">\n<script type="module" src="/assets/app.js">\n'
    )
    (tmp_path / "app.js").write_text(
        'import { text } from "./lib/dom.js";\nconst page = import("./lib/dom.js");\n'
    )
    (tmp_path / "lib" / "dom.js").write_text(
        'const SVG = "http://www.w3.org/2000/svg"; // from "another" place\n'
    )
    (tmp_path / "lib" / "endpoints.js").write_text(
        'export const ENDPOINTS = new Set(["GET /things"]);\n'
    )
    (tmp_path / "lib" / "things.js").write_text(
        'import { get } from "./api.js";\nget(\n  "/things");\n'
    )
    (tmp_path / "lib" / "api.js").write_text("export const get = (endpoint) => endpoint;\n")
    (tmp_path / "tokens.css").write_text(
        "@layer base, pages;\n@layer base { :root { --ink: #123; } }\n"
    )
    (tmp_path / "page.css").write_text(
        "@layer pages {\n  #add { color: var(--ink); } /* #fff */\n}\n"
    )

    return tmp_path


def problems(assets: Path) -> list[str]:
    found: tuple[Callable[[], Iterator[str]], ...] = (
        asset_checks.references_resolve,
        asset_checks.layers_point_down,
        asset_checks.requests_stand_in_the_table,
        asset_checks.styles_keep_to_layers_and_tokens,
        asset_checks.nothing_comes_from_elsewhere,
        asset_checks.nothing_is_inline,
    )
    return [problem for check in found for problem in check()]


def test_a_sound_application_passes(assets: Path) -> None:
    assert problems(assets) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("app.js", 'import { text } from "./lib/missing.js";'),
        ("app.js", 'import "./missing.js";'),
        ("app.js", 'const page = import("./pages/missing.js");'),
        ("app.js", 'import { html } from "lit";'),
        ("index.html", '<link rel="stylesheet" href="css/missing.css">'),
        ("app.css", '@import "missing.css";'),
        ("app.css", "body { background: url(missing.svg); }"),
        ("index.html", '<script src="https://cdn.example/a.js"></script>'),
        ("app.css", "@font-face { src: url(//fonts.example/a.woff2); }"),
        ("app.js", 'fetch("https://example.com/");'),
        ("docs/page.md", "![badge](https://img.example/badge.svg)"),
        ("app.js", "node.innerHTML = text;"),
        ("app.js", 'node.setAttribute("onclick", code);'),
        ("app.js", 'node.insertAdjacentHTML("beforeend", text);'),
        ("index.html", '<p style="color: red">'),
        ("index.html", '<button onclick="go()">'),
        ("index.html", "<script>go()</script>"),
        ("app.css", "body { margin: 0; }"),
        ("app.css", "@layer looks { body { margin: 0; } }"),
        ("app.css", "@layer base { body { color: #fff; } }"),
        ("app.css", "@layer base { body { color: rgb(1 2 3); } }"),
        ("app.css", "@layer base { body { color: var(--nowhere); } }"),
        ("app.js", 'get("/nowhere");'),
        ("app.js", 'post("/things", { body: {} });'),
        ("app.js", 'send("PUT", "/things");'),
    ],
)
def test_in_the_browsers_application_it_finds(assets: Path, file: str, line: str) -> None:
    path = assets / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{path.read_text() if path.exists() else ''}{line}\n")

    assert any(problem.startswith(file) for problem in problems(assets))


def test_an_endpoint_that_no_page_asks_for_is_found(assets: Path) -> None:
    (assets / "lib" / "endpoints.js").write_text(
        'export const ENDPOINTS = new Set(["GET /things", "PUT /unused"]);\n'
    )

    assert problems(assets) == ["lib/endpoints.js:1: nothing asks for PUT /unused"]


@pytest.mark.parametrize(
    ("file", "imports", "is_allowed"),
    [
        ("app.js", "./page-table.js", True),
        ("app.js", "./pages/a.js", True),
        ("pages/a.js", "../components/a.js", True),
        ("pages/a.js", "../lib/dom.js", True),
        ("components/a.js", "./b.js", True),
        ("lib/dom.js", "./b.js", True),
        ("pages/a.js", "./b.js", False),
        ("pages/a.js", "../app.js", False),
        ("components/a.js", "../pages/a.js", False),
        ("components/a.js", "/pages/a.js", False),
        ("lib/dom.js", "../components/a.js", False),
        ("lib/dom.js", "../page-table.js", False),
        ("lib/dom.js", "../other/a.js", False),
    ],
)
def test_an_import_that_points_up_or_from_page_to_page_is_found(
    assets: Path, file: str, imports: str, is_allowed: bool
) -> None:
    for name in (
        "page-table",
        "pages/a",
        "pages/b",
        "components/a",
        "components/b",
        "lib/b",
        "other/a",
    ):
        path = assets / f"{name}.js"
        path.parent.mkdir(exist_ok=True)
        path.write_text("export const a = 1;\n")
    (assets / file).write_text(f'import {{ a }} from "{imports}";\n')

    assert [problem.split(" ")[0] for problem in problems(assets)] == (
        [] if is_allowed else [f"{file}:1:"]
    )


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("pages/a.js", 'export const a = fetch("/api/v1/whoami");', "no-restricted-globals"),
        ("lib/a.js", 'export const a = localStorage.getItem("x");', "no-restricted-globals"),
        (
            "components/a.js",
            'export const a = document.createElement("p");',
            "no-restricted-properties",
        ),
        (
            "components/a.js",
            "export const a = (place, text) => (place.innerHTML = text);",
            "no-restricted-properties",
        ),
        ("lib/a.js", "export const a = (b) => b == 1;", "eqeqeq"),
        ("lib/a.js", "export const a = nowhere;", "no-undef"),
        ("lib/a.js", "const unused = 1;", "no-unused-vars"),
        ("lib/api.js", 'export const a = fetch("/api/v1/whoami");', None),
        ("pages/widgets.js", EXAMPLE_OF_A_PAGE, None),
    ],
)
def test_the_linter_holds_the_browsers_code_to_its_rules(
    tmp_path: Path, file: str, line: str, rule: str | None
) -> None:
    shutil.copy(ROOT / "assets" / ".oxlintrc.json", tmp_path)
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(f"{line}\n")
    linter = next(tool for tool in checks.TOOLS if tool[0] == "oxlint")
    options = [
        option for option in linter[1:-1] if option not in {"--config", "assets/.oxlintrc.json"}
    ]
    command = [
        Path(sys.executable).parent / linter[0],
        *options,
        "--config",
        tmp_path / ".oxlintrc.json",
        tmp_path,
    ]

    found = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (f"({rule})" in found.stdout) if rule else (found.returncode == 0)
    assert (found.returncode != 0) == bool(rule)


@pytest.mark.parametrize(
    "call", ["os.system('ls')", "os.popen('ls')", "os.fork()", "os.execvp('ls', ['ls'])"]
)
def test_a_process_started_outside_the_worker_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    (tmp_path / "opsicle").mkdir()
    (tmp_path / "opsicle" / "anywhere.py").write_text(f"import os\n{call}\n")

    assert next(checks.only_the_worker_starts_processes()).startswith("opsicle/anywhere.py:2:")


def test_a_file_that_is_too_long_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "long.js").write_text("\n" * (checks.LONGEST_FILE + 1))
    (tmp_path / "assets" / "short.js").write_text("\n" * checks.LONGEST_FILE)

    assert [problem.split(":")[0] for problem in checks.no_file_is_too_long()] == ["assets/long.js"]


def test_a_sleep_in_a_test_is_found_and_one_in_a_script_that_it_runs_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("SCRIPT = 'time.sleep(1)'\ntime.sleep(0.1)\n")

    assert [problem.split(" ")[0] for problem in checks.no_test_sleeps()] == ["tests/test_it.py:2:"]
