"""The values that one automation passes on to another one which it starts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from opsicle.domain.calls import Call, ValueSource
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.problems import did_you_mean
from opsicle.domain.secrets import only_secret
from opsicle.domain.templates import Template, Value, Variable, VariableType
from opsicle.domain.value_checks import WrongValue, check_value
from opsicle.domain.values import as_text
from opsicle.domain.variables import parse_text


class PassableValues(NamedTuple):
    """What an automation has to pass on: its variables' values, outputs, and secrets of its org.

    `values` are in the clear, those of secret variables too; `secrets` are by their names.
    """

    values: Mapping[str, Value]
    outputs: Mapping[str, str] = {}
    masked_outputs: Collection[str] = ()
    secrets: Mapping[str, str] = {}


def call_problems(path: str, call: Call, template: Template, target: Template) -> Iterator[Problem]:
    """Yield what is known already to keep `target` from being started so by `template`."""
    variables = {variable.id: variable for variable in target.variables}
    for name, source in call.values.items():
        variable = variables.get(name)
        if variable is None:
            message = f"{target.name} has no variable of that name{did_you_mean(name, variables)}"
            yield Problem(f"{path}.values.{name}", message)
        elif source.value is not None and variable.type is not VariableType.SECRET:
            try:
                check_value(variable, source.value)
            except WrongValue as wrong:
                yield Problem(f"{path}.values.{name}", str(wrong))
    yield from _disclosures(f"{path}.values", call, template, target)
    for variable in target.variables:
        if variable.is_required and variable.default is None and variable.id not in call.values:
            message = f"{target.name} needs a value for {variable.id}"
            yield Problem(f"{path}.values", message)


def _disclosures(path: str, call: Call, template: Template, target: Template) -> Iterator[Problem]:
    """Yield what would be secret on one side, and could be read on the other."""
    own = {each.id for each in template.variables if each.type is VariableType.SECRET}
    wanted = {variable.id: variable.type is VariableType.SECRET for variable in target.variables}
    for name, source in call.values.items():
        is_secret = bool(source.secret) or source.variable in own
        if is_secret and not wanted.get(name, False):
            message = (
                f"is handed a secret, and everybody can read it in {target.name}: "
                "let the variable be of type `secret` there"
            )
            yield Problem(f"{path}.{name}", message)
        elif (source.variable or source.output) and not is_secret and wanted.get(name):
            message = (
                f"is secret in {target.name}, and what it is handed can be read: take it from a "
                "secret of the org (`{secret: NAME}`) or from a variable of type `secret`"
            )
            yield Problem(f"{path}.{name}", message)


def refuse_secrets(path: str, call: Call, target: Template) -> None:
    """Raise InvalidInput for a value of a secret variable: what is pushed can be read."""
    literals = {
        name: source.value for name, source in call.values.items() if source.value is not None
    }
    if secret := only_secret(target.variables, literals):
        message = (
            f"is secret in {target.name}, and what is pushed can be read: keep it as a secret of "
            "the org, and name that: `{secret: NAME}`"
        )
        problems = tuple(Problem(f"{path}.values.{name}", message) for name in secret)
        raise InvalidInput("a secret cannot be pushed as a value", problems=problems)


def passed_values(
    call: Call, template: Template, target: Template, known: PassableValues
) -> dict[str, Value]:
    """Return the values for the variables of `target`, which an automation of `template` starts.

    What it has no value for is left out, so that the default counts. Raises InvalidInput for a
    masked output, by its name, for text that does not fit the variable's type, and for a secret
    that anybody could read afterwards, or a value of a secret variable that anybody can read now.
    """
    refused = tuple(
        Problem(
            f"values.{name}",
            f"the output {source.output} holds a secret, so only its mask is known here",
        )
        for name, source in call.values.items()
        if source.output in known.masked_outputs
    )
    if refused:
        raise InvalidInput("a masked output is not passed on", problems=refused)
    refuse_secrets("", call, target)
    if disclosed := tuple(_disclosures("values", call, template, target)):
        raise InvalidInput("a secret would not stay one", problems=disclosed)

    variables = {variable.id: variable for variable in target.variables}
    found = {name: _value(source, known) for name, source in call.values.items()}
    return {
        name: _fitted(variables.get(name), value, call.values[name])
        for name, value in found.items()
        if value is not None
    }


def _value(source: ValueSource, known: PassableValues) -> Value | None:
    if source.secret:
        return known.secrets.get(source.secret)
    if source.output:
        return known.outputs.get(source.output)
    return known.values.get(source.variable) if source.variable else source.value


def _fitted(variable: Variable | None, value: Value, source: ValueSource) -> Value:
    """Return an output as its variable's type, and any value as text where that is asked for."""
    if variable is None:
        return value
    if source.output and isinstance(value, str):
        return parse_text(variable, value)
    is_text = variable.type in {VariableType.STRING, VariableType.TEXT} and not variable.multiple
    return as_text(value) if is_text and source.variable else value
