"""Reading `spec.variables`: what a template asks for, with defaults that fit their own types."""

from __future__ import annotations

from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.names import ID, ID_RULE, environment_name
from opsicle.domain.patterns import BadPattern, Pattern
from opsicle.domain.problems import quoted
from opsicle.domain.templates import Scalar, Value, Variable, VariableType
from opsicle.domain.value_checks import WrongValue, check_value
from opsicle.domain.values import as_text
from opsicle.domain.yaml_documents import Kind, Node

MAX_VARIABLES = 100
MAX_OPTIONS = 500
MAX_PATTERN_PLACES = 1_000

_LENGTHS = frozenset({VariableType.STRING, VariableType.TEXT, VariableType.SECRET})
_HAS_PATTERN = _LENGTHS | {VariableType.FILE}
_NOT_NEGATIVE = _LENGTHS | {VariableType.FILE}
_NUMBERS = frozenset({VariableType.NUMBER, VariableType.FLOAT})


def parse_variables(spec: Fields) -> tuple[Variable, ...]:
    """Return the variables of a template's `spec`; every mistake is noted."""
    variables: list[Variable] = []
    seen: dict[str, str] = {}

    for place in spec.items("variables", MAX_VARIABLES):
        variable = _variable(place.mapping())
        if not variable.id:
            continue

        name = environment_name(variable.id)
        if name in seen:
            place.add(_collision(variable.id, seen[name], name))
        seen.setdefault(name, variable.id)
        variables.append(variable)

    _check_pattern_sizes(spec, variables)
    return tuple(variables)


def _check_pattern_sizes(spec: Fields, variables: list[Variable]) -> None:
    """Bound all patterns of a template together, as they are matched in one request."""
    place = spec.find("variables")
    if place and sum(Pattern(variable.pattern).size for variable in variables) > MAX_PATTERN_PLACES:
        place.add(
            f"all patterns together stand for more than {MAX_PATTERN_PLACES:,} characters; "
            "use `max` instead"
        )


def _collision(variable_id: str, other: str, name: str) -> str:
    if variable_id == other:
        return f"a variable {quoted(other)} stands further up already"
    return (
        f"{quoted(variable_id)} and {quoted(other)} would both be `{name}` in the commands; "
        "rename one"
    )


def _variable(fields: Fields) -> Variable:
    variable_type = fields.choice("type", VariableType.STRING)

    draft = Variable(
        id=fields.name("id", ID, ID_RULE),
        type=variable_type,
        label=fields.line("label", 200),
        description=fields.text("description", 10_000),
        is_required=fields.boolean("isRequired"),
        options=_options(fields, variable_type),
        pattern=_pattern(fields, variable_type),
        min=_bound(fields, "min", variable_type),
        max=_bound(fields, "max", variable_type),
        multiple=_multiple(fields, variable_type),
    )

    _check_order(fields, draft)
    default = _default(fields, draft)
    fields.end()
    return draft if default is None else _with_default(draft, default)


def _with_default(draft: Variable, default: Value) -> Variable:
    return Variable(
        **{name: getattr(draft, name) for name in draft.__struct_fields__} | {"default": default}
    )


def _options(fields: Fields, variable_type: VariableType) -> tuple[Scalar, ...]:
    is_enum = variable_type is VariableType.ENUM
    if not is_enum and fields.has("options"):
        place = fields.find("options")
        if place:
            place.add(
                f"only a variable of type `enum` has options, not one of type `{variable_type}`"
            )
        return ()

    options: list[Scalar] = []
    for place in fields.items("options", MAX_OPTIONS, is_required=is_enum):
        option = _option(place)
        if option is None:
            continue
        if as_text(option) in map(as_text, options):
            place.add(f"the option {quoted(as_text(option))} stands twice")
        options.append(option)
    return tuple(options)


def _option(place: DocumentNode) -> Scalar | None:
    content = place.node.content
    if place.node.kind in {Kind.INTEGER, Kind.FLOAT} and isinstance(content, int | float):
        return content
    text = place.line_of_text(200)
    if text == "":
        place.add("an option must not be empty")
    return text or None


def _pattern(fields: Fields, variable_type: VariableType) -> str:
    text = fields.line("pattern", 1_000)
    place = fields.find("pattern")
    if not place or not text:
        return ""

    if variable_type not in _HAS_PATTERN:
        place.add(
            "only text and the names of files can have a pattern, "
            f"not a variable of type `{variable_type}`"
        )
        return ""

    try:
        Pattern(text)
    except BadPattern as bad:
        place.add(f"{quoted(text)} is no pattern: {bad}")
        return ""
    return text


def _bound(fields: Fields, key: str, variable_type: VariableType) -> int | float | None:
    place = fields.find(key)
    if place is None:
        return None

    if variable_type not in _NOT_NEGATIVE | _NUMBERS:
        place.add(
            "bounds numbers, the length of text and the size of files, "
            f"not a variable of type `{variable_type}`"
        )
        return None

    content = place.node.content
    if (
        place.node.kind is Kind.FLOAT
        and variable_type is VariableType.FLOAT
        and isinstance(content, float)
    ):
        return content
    if place.node.kind is not Kind.INTEGER or not isinstance(content, int):
        place.add(
            "must be a number" if variable_type is VariableType.FLOAT else "must be a whole number"
        )
        return None
    if variable_type in _NOT_NEGATIVE and content < 0:
        unit = "size in bytes" if variable_type is VariableType.FILE else "length in characters"
        place.add(f"is a {unit}, so it cannot be below 0")
        return None
    return content


def _multiple(fields: Fields, variable_type: VariableType) -> bool:
    is_multiple = fields.boolean("multiple")
    place = fields.find("multiple")
    if is_multiple and place and variable_type in {VariableType.BOOL, VariableType.TEXT}:
        place.add(f"a variable of type `{variable_type}` cannot take several values")
        return False
    return is_multiple


def _check_order(fields: Fields, variable: Variable) -> None:
    place = fields.find("max")
    if (
        place
        and variable.min is not None
        and variable.max is not None
        and variable.min > variable.max
    ):
        place.add(f"`max` ({variable.max}) is below `min` ({variable.min})")


def _default(fields: Fields, variable: Variable) -> Value | None:
    place = fields.find("default")
    if place is None:
        return None
    if variable.type is VariableType.SECRET:
        place.add(
            "a variable of type `secret` cannot have a default: "
            "everyone who sees the template sees it"
        )
        return None
    if variable.type is VariableType.FILE:
        place.add(
            "a variable of type `file` cannot have a default: a document holds no files; "
            "leave `isRequired` out, and let a command do without it"
        )
        return None
    if variable.type is VariableType.ENUM and not variable.options:
        return None  # the missing options are noted already

    try:
        return check_value(variable, _written(place.node))
    except WrongValue as wrong:
        place.add(f"{wrong}{_advice(place.node, variable)}")
        return None


def _written(node: Node) -> object:
    if node.kind is Kind.LIST:
        return [_written(item) for item in node.items]
    if node.kind is Kind.DATE:
        return node.text
    return node.content


_WANTS_TEXT = frozenset({VariableType.STRING, VariableType.TEXT, VariableType.ENUM})


def _advice(node: Node, variable: Variable) -> str:
    """Say what YAML made of the default, where quotes mend it or are the mistake."""
    is_scalar = node.kind not in {Kind.MAPPING, Kind.LIST}
    if is_scalar and node.kind is not Kind.TEXT and variable.type in _WANTS_TEXT:
        return f'; YAML reads {quoted(node.text)} as {node.kind}, write it in quotes: "{node.text}"'
    if node.kind in {Kind.INTEGER, Kind.FLOAT} and node.content is None:
        return f"; {quoted(node.text)} is not a plain decimal number"
    if variable.type is VariableType.BOOL and node.text.lower() in {"true", "false"}:
        return "; write it without quotes"
    return ""
