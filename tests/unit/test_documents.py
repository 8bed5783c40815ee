"""What the documentation says can be followed.

Its links lead somewhere, its commands and documents are taken.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from opsicle.cli.root import root
from opsicle.domain.template_parser import parse_document
from tests.product import CHECKOUT

PAGES = sorted(
    [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("examples/*.md")]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    \S.*(?:\n    .*)*", re.MULTILINE)
INLINE = re.compile(r"`(opsicle (?!order 1)[^`\n]+)`")
OUTSIDE = re.compile(r"\.\./shared|/work/|/home/\w")
"""Folders of whoever writes, which whoever reads does not have."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """Return what a `#…` may name, as GitHub makes it of the headings."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text())):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@each_page
def test_nothing_is_named_that_only_its_authors_have(page: Path) -> None:
    assert not OUTSIDE.findall(page.read_text())


def test_every_page_and_every_picture_is_linked() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(without_code(page.read_text()))
    }
    folders = {path.parent for path in linked} | linked

    wanted = [*CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("docs/images/*")]

    assert [path.name for path in wanted if path.resolve() not in linked] == []
    assert (CHECKOUT / "docs/decisions").resolve() in folders


def test_decisions_are_numbered_without_gaps_and_each_once() -> None:
    decisions = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))

    numbers = list(range(1, len(decisions) + 1))
    assert [int(path.name[:4]) for path in decisions] == numbers
    headings = [path.read_text().split(".", 1)[0] for path in decisions]
    assert headings == [f"# {number}" for number in numbers]


def lines_of_commands(text: str) -> Iterator[str]:
    """Yield the lines of code that call `opsicle`; what goes on after a backslash is one line."""
    blocks = [body for kind, body in FENCE.findall(text) if kind in {"", "sh"}]
    blocks += INDENTED.findall(FENCE.sub("", text))
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            command = line.strip().removeprefix("$ ")
            if command.startswith("opsicle "):
                yield command


def resolve(words: list[str]) -> tuple[click.Context, click.Command, list[str]]:
    """Return the command that is called, and what is left for it. Raises click's errors."""
    while words and words[0] in {"--profile", "-o"}:
        words = words[2:]
    command: click.Command = root
    context = click.Context(root, info_name="opsicle")
    while words and isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    return context, command, words


@each_page
def test_every_command_line_is_taken(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for made_before in ("audit-key.pem", "orders-key.pem", "acme.jsonl"):
        (tmp_path / made_before).touch()
    for line in lines_of_commands(page.read_text()):
        words = shlex.split(line, comments=True)[1:]
        words = words[
            : next((i for i, word in enumerate(words) if word in {">", "|", "&&"}), len(words))
        ]
        try:
            context, command, rest = resolve(words)
            command.make_context(context.info_name, rest, parent=context.parent)
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


@each_page
def test_every_command_that_is_mentioned_exists_with_its_options(page: Path) -> None:
    if page.name in {"cli.md", "CHANGELOG.md"}:
        return
    for line in INLINE.findall(page.read_text()):
        words = [word for word in shlex.split(line)[1:] if word != "…"]
        try:
            _, command, rest = resolve(words)
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")
        known = {name for option in command.params for name in option.opts + option.secondary_opts}
        known.add("--help")
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, line


@each_page
def test_every_whole_document_is_taken(page: Path) -> None:
    for kind, body in FENCE.findall(page.read_text()):
        if kind == "yaml" and body.startswith("apiVersion") and "…" not in body:
            parse_document(body.encode())


@pytest.mark.parametrize(
    "page", ["docs/architecture.md", "docs/worker-protocol.md", "docs/security-model.md"]
)
def test_every_file_of_the_code_that_is_named_is_there(page: str) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)\b", (CHECKOUT / page).read_text())
    missing = [
        path
        for path in named
        if not any((CHECKOUT / root / path).exists() for root in ("", "opsicle"))
    ]

    assert missing == []
