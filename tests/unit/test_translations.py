"""The pages' texts in other languages: complete, and with the same values in them."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from opsicle.domain.automations import FINAL, AutomationState
from opsicle.domain.errors import BY_CODE, TooManyRequests
from opsicle.domain.template_schema import template_schema
from opsicle.kit import resources
from opsicle.server.http import translations
from opsicle.server.http.joining import Joined, without_comments
from opsicle.server.http.translations import Catalog, preferred, texts_in
from tests.product import CHECKOUT
from tests.unit.asset_texts import tokens
from tests.unit.unmarked_texts import unmarked

LANGUAGES = translations.languages()[1:]
SAID = ("lib/server-texts.js", "lib/server-titles.js")
"""The modules that know sentences of the server."""

SCHEMA = "lib/schema-texts.js"
"""The module that knows what the schema of templates says of each field."""

COMPOSED = {
    "aborted by",
    "behind 1 other of group",
    "has all of the labels",
    "has label",
    "it could not start on",
    "it did not begin on",
    "it expired on",
    "it failed on",
    "it timed out on",
    "it was cancelled on",
    "it was rejected on",
    *(f"it ended {state} on" for state in FINAL - {AutomationState.SUCCEEDED}),
}
"""What the server puts together from words."""

PIECES = re.compile(r"\{\d\}|; |, which holds it|: | \(|no connected worker ")
SENTENCE = re.compile(r'\[\s*"((?:[^"\\]|\\.)*)",\s*t`([^`]*)`')
TITLE = re.compile(r"^  (\w+): t`([^`]*)`,$", re.MULTILINE)

NOT_READ = frozenset(
    ["lib/endpoints.js", "lib/join-commands.js", "lib/bytes.js", "lib/language.js", SCHEMA, *SAID]
)
"""Modules whose words are addresses, commands, units, languages' own names, and the server's."""

NO_TEXTS = frozenset(
    """
    Opsicle|Opsicle-CSRF|Opsicle ${version}|SHA-256|SHA-256 ${artifact.sha256}|Ed25519
    Files|Shift|ArrowUp|PageUp|Home|primary|quiet|first-step is-done|dialog wide|input short
    main input[type="search"]|.primary span|.help button|shown of ${this.#options.label}
    live is-${status}|link ${code}|editor-line is-wrong|source-line is-wrong|slot is-busy
    plan-phase is-done-before|history-bar is-new-version|${path}/push|${pathOf(template)}/run
    ssh-ed25519 AAAA…|push, approve|ada@example.com|templates/restart-web
    seq at actor_kind actor_id actor_name channel address verb resource data
    number seq hash at removed_to removed_hash previous|first last previous hash
    opsicle audit checkpoint gap 1|opsicle audit checkpoint 1|opsicle audit entry 1
    opsicle order 1\\n|opsicle automations trail ${trail.automation_id}
    approvalPolicy: {policyRef: production}|approvers: {groups: [oncall]}
    secrets: [db-password]|the ${singular(kind)}|main ${each}|tbody tr|.tile li
    """.replace("\n", "|")
    .replace("    ", "")
    .split("|")
)
"""Names, keys, selectors, classes, formats that are signed, and examples of what is typed."""

PLACE = re.compile(r"\{\d\}")


def modules() -> Iterator[tuple[str, str]]:
    """Return every module of the pages, without its comments."""
    for name in resources.asset_names():
        if name.endswith(".js"):
            yield name, without_comments(resources.asset(name).decode())


def marked() -> set[str]:
    """Return every text that a module or the page marks as one for people."""
    texts = {text.key for _, module in modules() for text in texts_in(module)}
    return texts | set(translations.texts_in_page(resources.asset("index.html").decode()))


def catalog_files(language: str) -> dict[str, dict[str, str]]:
    names = [name for name in resources.asset_names() if name.startswith(f"languages/{language}/")]
    return {name: json.loads(resources.asset(name)) for name in names}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalog_has_every_text_of_the_pages_once_and_nothing_else(language: str) -> None:
    counts = Counter(key for file in catalog_files(language).values() for key in file)

    assert [key for key, count in counts.items() if count > 1] == []
    assert sorted(marked() - {key for key in counts if "|" not in key}) == [], "not translated"
    assert sorted({key.split("|")[-1] for key in counts} - marked()) == [], "in no module"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_values_of_its_text(language: str) -> None:
    wrong = {
        key: text
        for file in catalog_files(language).values()
        for key, text in file.items()
        if sorted(PLACE.findall(key)) != sorted(PLACE.findall(text)) or not text.strip()
    }
    assert wrong == {}


def test_every_text_that_people_read_is_marked() -> None:
    found = {
        (name, text)
        for name, module in modules()
        if name not in NOT_READ
        for text in unmarked(module)
        if text[1:-1] not in NO_TEXTS and not text[1:].startswith("apiVersion:")
    }
    assert found == set(), "mark it as t`…`, with its German in assets/languages/de"


def test_a_sentence_of_the_server_is_known_as_the_server_says_it() -> None:
    source = "".join(path.read_text() for path in (CHECKOUT / "opsicle").rglob("*.py"))
    source = re.sub(r'"\s*f?"', "", source.replace("{quoted(", "{("))
    known = [found for name in SAID for found in SENTENCE.findall(resources.asset(name).decode())]
    titles = TITLE.findall(resources.asset("lib/server-titles.js").decode())

    assert len(known) > 70
    assert [english for english, own in known if english != own] == []
    pieces = {piece.strip() for english, _ in known for piece in PIECES.split(english)}
    assert {piece for piece in pieces if len(piece) > 3 and piece not in source} == COMPOSED
    kinds = BY_CODE | {TooManyRequests.code: TooManyRequests}
    assert {code: kinds[code].title for code, _ in titles} == dict(titles)


def test_what_the_schema_says_of_each_field_is_known_as_it_says_it() -> None:
    known = SENTENCE.findall(resources.asset(SCHEMA).decode())

    assert [english for english, own in known if english != own] == []
    schema = template_schema()
    of_types = {each["description"] for each in schema["$defs"].values() if "description" in each}
    assert {english for english, _ in known} == {*descriptions(schema)} | of_types


def descriptions(part: Any) -> Iterator[str]:
    """Return what a schema says of its fields, however deep: of what has a name."""
    inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    fields = part.get("properties", {}).values() if isinstance(part, dict) else ()
    yield from (field["description"] for field in fields if "description" in field)
    for each in inside:
        yield from descriptions(each)


def test_every_text_that_a_module_marks_can_be_exchanged() -> None:
    """One with an inner template, or a brace in a value, would stay as it is, unnoticed."""
    for name, module in modules():
        all_tokens = tokens(module)
        written = sum(
            1
            for before, token in pairwise(all_tokens)
            if before.text == "t" and token.kind == "template"
        )
        assert len(list(texts_in(module))) == written, name


def test_comments_are_all_that_a_module_loses() -> None:
    for name, module in modules():
        source = resources.asset(name).decode()

        assert [token.text for token in tokens(module)] == [
            token.text for token in tokens(source)
        ], name
        assert module.count("\n") == source.count("\n"), name


def test_a_text_goes_out_in_the_language_with_its_values_where_they_belong() -> None:
    catalog = Catalog(
        {"Run {0} on {1}": "Auf {1} {0} ausführen", "pages/x.js|Run": "Los", "Run": "Lauf"}
    )
    module = "button(t`Run ${name} on ${where.at(0)}`, t`Run`, t`Other`, at`Run`)"

    there = catalog.translate("pages/x.js", module)

    assert there == "button(t`Auf ${where.at(0)} ${name} ausführen`, t`Los`, t`Other`, at`Run`)"
    assert "t`Lauf`" in catalog.translate("pages/y.js", module)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr, de;q=0.3", "de"),
        ("en;q=0.2, DE;q=0.7", "de"),
        ("de;q=0", "en"),
        ("de;q=x,,;q=1", "en"),
        ("*", "en"),
    ],
)
def test_the_language_is_what_a_browser_asks_for_if_there_is_it(header: str, language: str) -> None:
    assert preferred(header, ("en", "de")) == language


def test_the_page_and_its_modules_are_there_in_each_language() -> None:
    files = Joined()

    page = files.content("de/index.html").decode()
    home = files.content("de/pages/home.js").decode()

    assert '<html lang="de">' in page
    assert f'src="/{files.prefix}de/app.js"' in page
    assert "brauchen JavaScript" in page
    assert "Alle Automationen" in home
    assert f'from "/{files.prefix}de/app.js"' in home
    assert "All automations" in files.content("pages/home.js").decode()
    sizes = [len(gzip.compress(files.content(name))) for name in ("app.js", "de/app.js")]
    assert sizes[1] < 1.1 * sizes[0], "German costs a first load hardly more than English"
