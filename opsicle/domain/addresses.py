"""E-mail addresses of people: what may be one, so that no two look alike and none is more than one.

The rule follows Unicode TS 39, "highly restrictive", for the address as a whole: its letters are of
one script, or of Latin beside Chinese, Japanese or Korean, which nobody takes for Latin. Latin
letters are those with an ASCII letter in them, accents aside, and a few of Europe's. So four
letters of Cyrillic cannot stand for coco@example.com.
"""

from __future__ import annotations

import re
import unicodedata

_MAX_LOCAL, _MAX_DOMAIN = 64, 189
_LOCAL_SIGNS = frozenset("!#$%&'*+-/=?^_`{|}~.")
_LOCAL = re.compile(r"[^.]+(\.[^.]+)*")
_LABEL = re.compile(r"[^.-]([^.]{0,61}[^.-])?")
_OTHER_LATIN = frozenset("ßæœøðþłđħŋ")
_LATIN_OF_NAMES = frozenset("ıə")
"""Letters of Turkish and Azerbaijani, which the names of many people have, and no addresses."""

_EAST_ASIAN = ({"HAN", "HIRAGANA", "KATAKANA"}, {"HAN", "BOPOMOFO"}, {"HAN", "HANGUL"})


def address_problem(address: str) -> str:
    """Return what is wrong with an address, in lower case, as that of a person; "" if nothing is.

    >>> unfit("ada@example.com")
    ''
    """
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        return "is not one"
    if len(local) > _MAX_LOCAL or len(domain) > _MAX_DOMAIN:
        return "is too long"

    odd = next((char for char in local if not (_is_word(char) or char in _LOCAL_SIGNS)), "")
    odd = odd or next((char for char in domain if not (_is_word(char) or char in "-.")), "")
    if odd:
        return f"holds {_named(odd)}, which no person's address does"

    if not _LOCAL.fullmatch(local) or not all(
        _LABEL.fullmatch(label) for label in domain.split(".")
    ):
        return "has a part that is empty, or begins or ends with `.` or `-`"
    if unicodedata.normalize("NFKC", address).lower() != address:
        return "is not in the usual form of its characters"

    scripts = {script for char in address if (script := _script(char))}
    if not _may_mix(scripts):
        return _mixed(scripts)
    return ""


def name_problem(name: str) -> str:
    """Return what is wrong with a person's display name, "" if nothing is.

    What makes it look like another one.

    The rule about scripts is that of addresses. A name may hold more signs and letters than an
    address, though none that only look like plain ones.
    """
    for char in name:
        is_written = unicodedata.category(char)[0] in "LMN"
        lower = char.lower()[0]  # of two for a capital with a dot
        if is_written and not (char.isascii() or _script(lower) or lower in _LATIN_OF_NAMES):
            return f"holds {_named(char)}, which looks like another character"
        if is_written and unicodedata.normalize("NFKC", char) != char:
            return f"holds {_named(char)}, which is not the usual form of its character"
    scripts = {script for char in name if (script := _script(char.lower()[0]))}
    return "" if _may_mix(scripts) else _mixed(scripts)


def _mixed(scripts: set[str]) -> str:
    names = sorted(script.capitalize() for script in scripts)
    return f"mixes letters of {' and '.join(names)}, which look alike"


def _is_word(char: str) -> bool:
    """Return whether it is a letter, an ASCII digit, or a mark that its script needs."""
    if char.isascii():
        return char.isalnum()
    category = unicodedata.category(char)
    return bool(_script(char)) and category in {"Ll", "Lo", "Lm", "Mn", "Mc"}


def _script(char: str) -> str:
    """Return the script of a letter or mark, "" for what has none.

    Latin letters that are none of the usual have none.
    """
    if char.isascii():
        return "LATIN" if char.isalpha() else ""
    name = unicodedata.name(char, "").split(" ")
    if name[0] == "LATIN":
        base = unicodedata.normalize("NFD", char)[0]
        return "LATIN" if (base.isascii() and base.isalpha()) or char in _OTHER_LATIN else ""
    if name[0] in {"COMBINING", "MODIFIER", "FULLWIDTH", "HALFWIDTH", "MATHEMATICAL", ""}:
        return ""
    return "HAN" if name[0] == "CJK" or char in "々〇" else name[0]


def _may_mix(scripts: set[str]) -> bool:
    others = scripts - {"LATIN"}
    return len(scripts) <= 1 or any(others <= family for family in _EAST_ASIAN)


def _named(char: str) -> str:
    """Return a character in words: as it is, if it can be seen."""
    number = f"U+{ord(char):04X}"
    return (
        f"`{char}`"
        if char.isascii() and char.isprintable() and char != " "
        else f"{number} ({_words(char)})"
    )


def _words(char: str) -> str:
    return unicodedata.name(char, "a control character").lower()
