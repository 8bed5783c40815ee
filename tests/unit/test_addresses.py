"""Addresses that look like another, or are more than one, belong to nobody."""

from __future__ import annotations

import pytest

from opsicle.domain.addresses import address_problem, name_problem

LOOK_ALIKES = {
    "a Cyrillic o in Latin": ("b\u043eb@example.com", "Cyrillic and Latin"),
    "Cyrillic letters only, in a Latin domain": (
        "\u0441\u043e\u0441\u043e@example.com",
        "Cyrillic and Latin",
    ),
    "a Latin name in a domain with Cyrillic": ("bob@\u0435\u0445ample.com", "Cyrillic and Latin"),
    "a Greek alpha": ("\u03b1da@example.com", "Greek and Latin"),
    "a small capital": ("\u1d00da@example.com", "U+1D00"),
    "a dotless i": ("b\u0131b@example.com", "U+0131"),
    "a Latin alpha": ("\u0251da@example.com", "U+0251"),
    "full-width letters": ("\uff42ob@example.com", "U+FF42"),
    "an accent of its own": ("e\u0301va@example.com", "U+0301"),
    "a zero-width space": ("b\u200bob@example.com", "U+200B (zero width space)"),
    "a zero-width joiner": ("bob\u200d@example.com", "U+200D"),
    "right to left": ("\u202ebob@example.com", "U+202E"),
    "a soft hyphen": ("b\u00adob@example.com", "U+00AD"),
    "a no-break space": ("b\u00a0ob@example.com", "U+00A0"),
    "a dot at the end": ("bob@example.com.", "is empty"),
    "two dots": ("bob..b@example.com", "is empty"),
    "a hyphen at the end of a label": ("bob@example-.com", "begins or ends"),
    "two addresses": ("bob,eve@example.com", "`,`"),
    "a header": ("bcc:bob@example.com", "`:`"),
    "a name before it": ("bob <bob@example.com>", "U+0020 (space)"),
    "two signs": ("bob@example.com@evil.com", "`@`"),
    "a line break": ("bob@example.com\nbcc", "U+000A"),
    "nothing before it": ("@example.com", "is not one"),
    "other digits": ("bob\u0661@example.com", "U+0661"),
    "too long a name": (f"{'a' * 65}@example.com", "too long"),
}

GOOD = [
    "ada@example.com",
    "o'brien+x_y@mail.example.co.uk",
    "jos\u00e9.m\u00fcller@stra\u00dfe.de",
    "\u0438\u0432\u0430\u043d@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
    "\u5c71\u7530@example.jp",
    "\uae40@example.kr",
    "root@localhost",
]


@pytest.mark.parametrize("case", LOOK_ALIKES)
def test_an_address_that_could_be_taken_for_another_is_refused_and_why(case: str) -> None:
    address, why = LOOK_ALIKES[case]
    assert why in address_problem(address)


@pytest.mark.parametrize("address", GOOD)
def test_addresses_of_one_script_are_taken(address: str) -> None:
    assert address_problem(address) == ""


NAMES = [
    "Ada Lovelace",
    "O'Brien-Smith, J. (on call)",
    "Jos\xe9 M\xfcller",
    "\u0130brahim Y\u0131ld\u0131z",
    "\xd8rsted",
    "\u0410\u043d\u043d\u0430 \u041f\u0435\u0442\u0440\u043e\u0432\u0430",
    "\u0395\u03bb\u03ad\u03bd\u03b7",
    "\u5c71\u7530 \u592a\u90ce Taro",
    "\u05d3\u05d5\u05d3",
    "\u0905\u0928\u093f\u0924\u093e",
    "\uae40\ubbfc\uc218",
    "R2-D2",
    "Nguy\u1ec5n",
    "",
]

LOOK_ALIKE_NAMES = {
    "a Cyrillic o": ("B\u043eb", "Cyrillic and Latin"),
    "a Cyrillic capital": ("\u0410da", "Cyrillic and Latin"),
    "a word of Cyrillic": ("Bob \u0421\u043e\u0441\u043e", "Cyrillic and Latin"),
    "a Greek capital": ("\u0391da", "Greek and Latin"),
    "full-width letters": ("\uff22ob", "U+FF22"),
    "bold letters": ("\U0001d401ob", "U+1D401"),
    "a small capital": ("\u1d00da", "U+1D00"),
    "a ligature": ("\ufb01nn", "U+FB01"),
    "a Cherokee letter": ("\u13aada", "Cherokee and Latin"),
    "an accent that no letter has": ("B\u0332ob", "U+0332"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_one_script_is_a_name(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize(("name", "says"), LOOK_ALIKE_NAMES.values(), ids=LOOK_ALIKE_NAMES)
def test_a_name_that_looks_like_another_is_none(name: str, says: str) -> None:
    assert says in name_problem(name)
