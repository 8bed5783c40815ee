"""The values that one automation passes on to another one which it starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from opsicle.domain.calls import Call, ValueSource
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.problems import did_you_mean
from opsicle.domain.secrets import only_secret
from opsicle.domain.templates import Template, Value, Variable, VariableType
from opsicle.domain.variables import WrongValue, as_text, check_value, parse_text


def call_problems(path: str, call: Call, target: Template) -> Iterator[Problem]:
    """Yield what is known already to keep a template from being started so."""
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
    for variable in target.variables:
        if variable.is_required and variable.default is None and variable.id not in call.values:
            message = f"{target.name} needs a value for {variable.id}"
            yield Problem(f"{path}.values", message)


def refuse_secrets(path: str, call: Call, target: Template) -> None:
    """Raise InvalidInput for a value of a secret variable: what is pushed can be read."""
    literals = {
        name: source.value for name, source in call.values.items() if source.value is not None
    }
    if secret := only_secret(target.variables, literals):
        message = (
            f"is secret in {target.name}, and what is pushed can be read: keep it as a secret of "
            "the org, which a phase names under `secrets`"
        )
        problems = tuple(Problem(f"{path}.values.{name}", message) for name in secret)
        raise InvalidInput("a secret cannot be pushed as a value", problems=problems)


def passed_values(
    call: Call,
    variables: Iterable[Variable],
    values: Mapping[str, Value],
    outputs: Mapping[str, str],
    masked_outputs: Collection[str],
) -> dict[str, Value]:
    """Return the values for `variables`, those of the template that is started.

    `values` and `outputs` are of the automation that starts it. What it has no value for is left
    out, so that the default counts. Raises InvalidInput for a masked output, by its name, and for
    text that does not fit the variable's type.
    """
    refused = tuple(
        Problem(
            f"values.{name}",
            f"the output {source.output} holds a secret, so only its mask is known here",
        )
        for name, source in call.values.items()
        if source.output in masked_outputs
    )
    if refused:
        raise InvalidInput("a masked output is not passed on", problems=refused)

    known = {variable.id: variable for variable in variables}
    found = {name: _value(source, values, outputs) for name, source in call.values.items()}
    return {
        name: _fitted(known.get(name), value, call.values[name])
        for name, value in found.items()
        if value is not None
    }


def _value(
    source: ValueSource, values: Mapping[str, Value], outputs: Mapping[str, str]
) -> Value | None:
    if source.output:
        return outputs.get(source.output)
    return values.get(source.variable) if source.variable else source.value


def _fitted(variable: Variable | None, value: Value, source: ValueSource) -> Value:
    """Return an output as its variable's type, and any value as text where that is asked for."""
    if variable is None:
        return value
    if source.output and isinstance(value, str):
        return parse_text(variable, value)
    is_text = variable.type in {VariableType.STRING, VariableType.TEXT} and not variable.multiple
    return as_text(value) if is_text and source.variable else value
