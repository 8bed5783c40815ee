"""The texts of the browser's pages in another language than the English in which they are written.

A module marks what people read as t`Run {name} now`, with `${…}` where a value comes in. A catalog
says what stands there in another language; its values are numbered: `{0} jetzt ausführen`. Texts
are exchanged as a module goes out, so that a browser gets the one language and nothing more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from opsicle.kit import resources

SOURCE = "en"
"""The language that the modules are written in."""

_FOLDER = "languages/"
_SENTENCES = "sentences/"
_TEXT = re.compile(r"(?<![\w$.])t`((?:[^`\\$]|\\.|\$(?!\{)|\$\{[^{}`]*\})*)`")
_VALUE = re.compile(r"\$\{([^{}`]*)\}")
_PLACE = re.compile(r"\{(\d)\}")
_IN_PAGE = re.compile(r"<noscript><p>(.*?)</p></noscript>")


class MarkedText(msgspec.Struct, frozen=True):
    """A text as a catalog has it, with what the module puts in its places."""

    key: str
    values: tuple[str, ...]


class Catalog:
    """What the texts are in one language. What is missing stays as it is."""

    def __init__(self, texts: dict[str, str]) -> None:
        """Take the texts by what they are in English.

        `path|Run` is one that only the module at that path means so.
        """
        self._texts = texts

    def translate(self, name: str, module: str) -> str:
        """Return a module with its texts in this language."""
        return _TEXT.sub(lambda found: f"t`{self._translated(name, found[1])}`", module)

    def translate_page(self, page: str) -> str:
        """Return the page around the modules with its text in this language."""
        for text in texts_in_page(page):
            page = page.replace(text, self._find("index.html", text))
        return page

    def _translated(self, name: str, source: str) -> str:
        text = text_of(source)
        translated = self._find(name, text.key)
        if not text.values:
            return translated  # places in it are filled by the module itself
        return _PLACE.sub(lambda place: f"${{{text.values[int(place[1])]}}}", translated)

    def _find(self, name: str, key: str) -> str:
        return self._texts.get(f"{name}|{key}") or self._texts.get(key) or key


def languages() -> tuple[str, ...]:
    """Return the languages that the pages can be had in, the one they are written in first."""
    names = (name.split("/") for name in resources.asset_names() if name.startswith(_FOLDER))
    return (SOURCE, *sorted({language for _, language, _ in names}))


def catalog(language: str) -> Catalog:
    """Return what is known of a language: all files of its folder together."""
    texts: dict[str, str] = {}
    for name in resources.asset_names():
        if name.startswith(f"{_FOLDER}{language}/"):
            texts |= json.loads(resources.asset(name))
    return Catalog(texts)


def sentences(language: str) -> bytes:
    """Return what the server says in its errors in a language, by the English of it, as JSON.

    The places of values are numbered; `{0!}` is one whose value is such a sentence itself.
    """
    texts: dict[str, str] = {}
    for name in resources.asset_names():
        if name.startswith(f"{_SENTENCES}{language}/"):
            texts |= json.loads(resources.asset(name))
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()


def texts_in(module: str) -> Iterator[MarkedText]:
    """Return the texts of a module."""
    return (text_of(found[1]) for found in _TEXT.finditer(module))


def texts_in_page(page: str) -> list[str]:
    """Return the texts of the page around the modules."""
    return _IN_PAGE.findall(page)


def text_of(source: str) -> MarkedText:
    """Return the text of what stands between the quotes of a module."""
    values = tuple(_VALUE.findall(source))
    numbers = iter(range(len(values)))
    return MarkedText(_VALUE.sub(lambda _: f"{{{next(numbers)}}}", source), values)


def preferred(header: str, offered: tuple[str, ...]) -> str:
    """Return which of the offered languages an `Accept-Language` asks for, else the first."""
    wishes = []
    for part in header.split(","):
        language, _, weight = part.partition(";q=")
        main = language.strip().lower().split("-")[0]
        if main in offered:
            wishes.append((_weight(weight), main))
    wishes.sort(key=lambda wish: -wish[0])
    return wishes[0][1] if wishes and wishes[0][0] > 0 else offered[0]


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
