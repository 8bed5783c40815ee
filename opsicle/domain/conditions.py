"""Which gates of a policy are asked: those whose conditions all hold.

A condition holds unless it is certain that it does not, so that nothing gets around a gate by being
left out or by being spelled otherwise. How certain one can be depends on the variable's type: a
number, a date, an option of an enum is one value or another; free text is taken for the value that
is looked for as long as somebody, or some program, could take it for that.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from opsicle.domain.policies import Condition, Gate, Policy
from opsicle.domain.templates import Variable, VariableType
from opsicle.domain.value_checks import WrongValue, check_value
from opsicle.domain.values import Scalar, Value, as_text

FREE_TEXT = frozenset({VariableType.STRING, VariableType.TEXT, VariableType.FILE})

_LONGEST_COMPARED = 1_000
"""Characters. No name of anything is longer, and what a comparison costs grows with it."""

_PLAIN = re.compile(r"[a-z0-9 \t\r\n_.,:/@+#='\"-]*")
"""What no program takes for a pattern, an escape or an expansion, once it is folded."""

_WORD = re.compile(r"[a-z0-9]+")

_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


class Facts(msgspec.Struct, frozen=True):
    """What conditions are held against.

    A template's variables with their values, and the labels that it runs on.
    """

    variables: Sequence[Variable]
    values: Mapping[str, Value]
    labels: Mapping[str, str]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a condition where a template has certain variables.

    `steps` lead to it from a policy's `spec`: keys and positions. `is_certain`: it can never mean
    what it says. `is_total`: nor can anything else that the same line lists under `in`.
    """

    steps: tuple[str | int, ...]
    message: str
    is_certain: bool = False
    is_total: bool = False

    @property
    def path(self) -> str:
        """Where it stands below a policy's `spec`, as in `gates[0].when[1].in[2]`."""
        return "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps
        ).lstrip(".")


def asked_gates(policy: Policy, facts: Facts) -> tuple[Gate, ...]:
    """Return the gates whose conditions all hold."""
    return tuple(gate for gate in policy.gates if all(holds(line, facts) for line in gate.when))


def holds(line: Condition, facts: Facts) -> bool:
    """Return whether a condition holds, or could.

    What is not known holds: a variable that the template does not have, one without a value, an
    empty value, a secret, a label that the template does not ask of its worker, and a comparison
    with values that the variable never has.
    """
    if line.label:
        return _label_holds(line, facts.labels.get(line.label))

    variable = next((each for each in facts.variables if each.id == line.variable), None)
    value = facts.values.get(line.variable)
    if variable is None or variable.type is VariableType.SECRET or value is None:
        return True

    items = value if isinstance(value, list) else [value]
    if not items:
        return True

    is_free = variable.type in FREE_TEXT
    return any(
        _text_holds(line, item) if is_free else _typed_holds(line, variable, item) for item in items
    )


def findings(policy: Policy, variables: Sequence[Variable]) -> Iterator[Finding]:
    """Yield findings on a policy's conditions for a template with these variables, in order."""
    known = {variable.id: variable for variable in variables}
    for i, gate in enumerate(policy.gates):
        for j, line in enumerate(gate.when):
            steps = ("gates", i, "when", j)
            if line.variable in known:
                yield from _findings(steps, line, known[line.variable])
            elif line.variable:
                message = (
                    f"the template has no variable `{line.variable}`, "
                    f"so that gate {gate.name} is always asked"
                )
                yield Finding(steps=steps, message=message, is_certain=True)


def names_read(policy: Policy) -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables and the labels that decide which gates of a policy are asked."""
    lines = [line for gate in policy.gates for line in gate.when]
    return frozenset(line.variable for line in lines) - {""}, frozenset(
        line.label for line in lines
    ) - {""}


def may_equal(value: str, wanted: str) -> bool:
    """Return whether free text could be taken for `wanted`.

    It is not certainly another word, or list of words.

    Case, spaces, punctuation, accents, full-width and invisible characters make no difference, nor
    do zeros before a number; and text that holds `wanted` among its words, or in pieces next to
    each other, could mean it. What is empty, or long, or holds letters that are not of the Latin
    alphabet, or characters with which patterns and escapes are written, could be anything.
    """
    if len(value) > _LONGEST_COMPARED:
        return True

    folded = _folded(value)
    words = _WORD.findall(folded)
    if not words or not _PLAIN.fullmatch(folded):
        return True

    sought = _WORD.findall(_folded(wanted))
    if not sought:
        return folded == _folded(wanted)
    # Where one word ends decides which zeros stand in front: `db-01` is `db01`, and also `db-1`.
    return _is_spelled_by(words, "".join(sought)) or _is_spelled_by(
        _plain(words), "".join(_plain(sought))
    )


def _label_holds(line: Condition, known: str | None) -> bool:
    """Labels select workers by their exact spelling, so that another spelling is another label."""
    if known is None:
        return True
    if line.none_of:
        return known not in map(as_text, line.none_of)
    return known in map(as_text, line.any_of)


def _text_holds(line: Condition, item: Scalar) -> bool:
    text = as_text(item)
    if line.none_of:
        return not text.strip() or text not in map(as_text, line.none_of)
    return any(may_equal(text, as_text(option)) for option in line.any_of)


def _typed_holds(line: Condition, variable: Variable, item: Scalar) -> bool:
    try:
        known = _typed(variable, item)
    except WrongValue:
        return True
    options = _possible(variable, line.none_of or line.any_of)
    if not options:
        return True
    return (known in options) is not bool(line.none_of)


def _typed(variable: Variable, value: Scalar) -> Scalar:
    """Return a value so that equal ones compare as equal: an option of an enum as text.

    Raises WrongValue.
    """
    one = msgspec.structs.replace(variable, multiple=False)
    if variable.type is VariableType.ENUM:
        return as_text(check_value(one, as_text(value)))
    checked = check_value(one, value)
    assert not isinstance(checked, list)
    return checked


def _possible(variable: Variable, options: Sequence[Scalar]) -> list[Scalar]:
    """Return those of the options that the variable can have."""
    found = []
    for option in options:
        with contextlib.suppress(WrongValue):
            found.append(_typed(variable, option))
    return found


def _why_never(variable: Variable, option: Scalar) -> str:
    try:
        _typed(variable, option)
    except WrongValue as wrong:
        return str(wrong)
    return ""


def _findings(
    steps: tuple[str | int, ...], condition: Condition, variable: Variable
) -> Iterator[Finding]:
    if variable.type is VariableType.SECRET:
        message = (
            f"the value of `{variable.id}` is secret and not known, "
            "so that the gate is always asked"
        )
        yield Finding(steps=steps, message=message)
        return

    key, options = ("notIn", condition.none_of) if condition.none_of else ("in", condition.any_of)
    never = [
        (position, wrong)
        for position, option in enumerate(options)
        if (wrong := _why_never(variable, option))
    ]
    is_total = key == "in" and len(never) == len(options)

    for position, wrong in never:
        message = f"the variable `{variable.id}` never has this value: {wrong}"
        yield Finding(
            steps=(*steps, key, position), message=message, is_certain=True, is_total=is_total
        )

    if variable.type in FREE_TEXT and condition.any_of:
        message = (
            f"`{variable.id}` is free text, "
            "and what means the same may be written in ways that no comparison knows: "
            "make it an `enum`, `bool`, `number` or `date`, "
            "or list in `notIn` what needs no approval"
        )
        yield Finding(steps=steps, message=message)


def _folded(text: str) -> str:
    """Return text in which what looks or reads alike is written alike, as far as Unicode knows."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in decomposed if unicodedata.category(c) not in {"Mn", "Cf"})


def _is_spelled_by(words: Sequence[str], sought: str) -> bool:
    """Return whether words that stand next to each other, put together, are what is sought."""
    for first in range(len(words)):
        joined = ""
        for word in words[first:]:
            joined += word
            if joined == sought:
                return True
            if len(joined) > len(sought):
                break
    return False


def _plain(words: Sequence[str]) -> list[str]:
    """Return the words with no zeros in front of the numbers in them."""
    return [_ZEROS.sub("", word) for word in words]
