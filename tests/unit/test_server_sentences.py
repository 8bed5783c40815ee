"""What the server says in its errors has its German, word for word."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from opsicle.kit import resources
from opsicle.server.http import translations
from tests.product import CHECKOUT
from tests.unit.server_sentences import Sentences
from tests.unit.test_translations import SAID, SENTENCE

LANGUAGES = translations.languages()[1:]

NEVER_ON_PAGES = {
    "the command line alone shows these": ("cli/", "client/", "kit/", "wire/"),
    "what a worker says, or is told": (
        "worker/",
        "server/dispatch/job",
        "server/dispatch/lease",
        "server/dispatch/log_receiver",
        "server/dispatch/log_segments",
        "server/dispatch/paused_jobs",
        "server/dispatch/refused_orders",
        "server/dispatch/service",
        "server/dispatch/unknown_jobs",
        "server/dispatch/work",
        "server/workers/enrolment",
        "server/workers/ephemeral",
        "security/join_token",
    ),
    "programs of machines that speak badly": ("server/http/wire/", "server/gauges"),
    "commands on the server's machine, and its start": (
        "server/account_recovery",
        "server/backups/",
        "server/data_folder",
        "server/keys/binding",
        "server/keys/key_files",
        "server/keys/master",
        "server/listeners",
        "server/opening",
        "server/org_moves/",
        "server/public_urls",
        "server/settings",
        "server/store/copies",
        "server/store/integrity",
        "server/store/log_database",
        "server/store/migrations",
        "server/store/org_copies",
        "security/age_",
        "security/authority",
        "security/binding_key",
        "security/certificates",
        "security/sealing",
        "security/signing_key",
    ),
    "said in chats": ("server/channels/kinds/slack/", "server/channels/kinds/telegram/"),
    "an inventory is read by the command line": ("domain/ansible_parser",),
}
"""The modules whose errors nobody reads in a browser, by the reason."""

PLACE = re.compile(r"\{(\d)!?\}")


def german_by_file(language: str) -> dict[str, dict[str, str]]:
    names = [name for name in resources.asset_names() if name.startswith(f"sentences/{language}/")]
    return {name: json.loads(resources.asset(name)) for name in names}


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_an_error_says_on_a_page_is_there_in_each_language(language: str) -> None:
    files = german_by_file(language)
    counts = Counter(english for file in files.values() for english in file)
    in_modules = {
        english for name in SAID for english, _ in SENTENCE.findall(resources.asset(name).decode())
    }

    said = Sentences(tuple(path for paths in NEVER_ON_PAGES.values() for path in paths)).found()

    assert len(said) > 700
    assert sorted(said - counts.keys() - in_modules) == [], f"into assets/sentences/{language}"
    assert [english for english, count in counts.items() if count > 1] == []
    assert sorted(_never_said(counts.keys() - said, said)) == []


def _never_said(texts: set[str], said: set[str]) -> set[str]:
    """Return which are neither an exacter form of a sentence nor a word that is put into one."""
    forms = [re.sub(r"\\\{\d\\\}", ".+", re.escape(each)) for each in said if PLACE.search(each)]
    is_said = re.compile("|".join(form for form in forms if len(form) > 12)).fullmatch
    sources = "".join(path.read_text() for path in (CHECKOUT / "opsicle").rglob("*.py"))
    begins = {text: text.partition("{")[0] for text in texts if not is_said(text)}
    return {
        text
        for text, begin in begins.items()
        if f'"{begin}' not in sources and f'"; {begin}' not in sources
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translated_sentence_has_the_values_of_the_english_one(language: str) -> None:
    texts = {key: text for file in german_by_file(language).values() for key, text in file.items()}

    wrong = {
        english: text
        for english, text in texts.items()
        if sorted(PLACE.findall(english)) != sorted(PLACE.findall(text)) or not text.strip()
    }
    assert wrong == {}
