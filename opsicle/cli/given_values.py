"""Values that come with a command, by `--var` and `--var-file`, or are asked for on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from opsicle.cli.terminal import ask, has_person
from opsicle.domain.templates import Value, Variable, VariableType
from opsicle.domain.variables import parse_text

F = TypeVar("F", bound=Callable[..., Any])


class Lines(click.types.StringParamType):
    """Text that may be given several times; in an environment variable, one a line."""

    envvar_list_splitter = "\n"


def _var_option(value: str) -> Callable[[F], F]:
    """Return the option `--var`; its help begins with what a `value` is."""
    return click.option(
        "--var",
        metavar="ID=VALUE",
        multiple=True,
        type=Lines(),
        help=f"{value}. Give it again for the next variable, or for a further item of one that "
        "takes several.",
    )


var_option = _var_option("A variable's value")
var_or_file_option = _var_option("A variable's value; of one that takes a file, `@PATH`")
var_file_option = click.option(
    "--var-file",
    metavar="FILE",
    type=Path,
    help="YAML or JSON file with values by id; `--var` wins.",
)


class GivenValues:
    """The values that came with the command, to be read against what is asked for."""

    def __init__(self, texts: Sequence[str], file: Path | None) -> None:
        self._texts = texts
        self._file = file

    def __bool__(self) -> bool:
        return bool(self._texts or self._file)

    def read(self, variables: Sequence[Variable], owner: str = "the template") -> dict[str, Value]:
        """Return the given values; on a terminal, required ones that are missing are asked for.

        `owner` is what has these variables. Raises InvalidInput.
        """
        from opsicle.cli.documents import given_values

        values = given_values(variables, self._texts, self._file, owner)
        for variable in variables:
            is_missing = (
                variable.is_required and variable.default is None and variable.id not in values
            )
            if is_missing and has_person() and variable.type is VariableType.FILE:
                path = ask(f"{variable.label or variable.id} (path of a file)", "--var")
                values[variable.id] = [f"@{path}"] if variable.multiple else f"@{path}"
            elif is_missing and has_person():
                question = variable.label or variable.id
                values[variable.id] = parse_text(
                    variable, ask(question, "--var", is_hidden=variable.type == "secret")
                )
        return values
