"""KEDA's and Nomad's models as schemas, read from classes that others publish for Python.

Nothing of those packages is run, so neither what they need nor the Python that they are for is
there. Their own way to read a document passes over a name that they do not know; a schema of here
does not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from tests.fetched import fetched

LOCK = Path(__file__).with_suffix(".txt")
AS_DATA = ("--ignore-requires-python", "--only-binary=:all:", "--no-compile")

Schema = dict[str, Any]

PLAIN: dict[str, Schema] = {
    "Any": {},
    "AwareDatetime": {"type": "string"},
    "ObjectMeta": {},  # Kubernetes' own, which is judged by its schemas
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "str": {"type": "string"},
}
BOUNDS = {"ge": "minimum", "le": "maximum", "min_length": "minItems", "pattern": "pattern"}


def mistakes(document: object, package: str, kind: str) -> list[str]:
    """Return what makes a document none of this kind: where it stands, and what is wrong."""
    schema = {"$ref": f"#/$defs/{kind}", "$defs": schemas(package)}
    found = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


@cache
def schemas(package: str) -> dict[str, Schema]:
    """Return the schema of every class in a package's folder."""
    paths = sorted((fetched(LOCK, *AS_DATA) / package).glob("*.py"))
    return {
        node.name: _schema(node)
        for path in paths
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def _schema(found: ast.ClassDef) -> Schema:
    fields = list(_fields(found.body))
    if [name for name, _, _ in fields] == ["root"]:
        return fields[0][1]
    return {
        "type": "object",
        "properties": {name: schema for name, schema, _ in fields},
        "required": [name for name, _, is_required in fields if is_required],
        "additionalProperties": any(isinstance(each, ast.Assign) for each in found.body),
    }


def _fields(body: Iterable[ast.stmt]) -> Iterable[tuple[str, Schema, bool]]:
    for each in body:
        if isinstance(each, ast.AnnAssign) and "ClassVar" not in ast.unparse(each.annotation):
            assert isinstance(each.target, ast.Name)
            schema = _of_type(each.annotation)
            yield schema.pop("alias", each.target.id), schema, each.value is None


def _of_type(said: ast.expr) -> Schema:
    match said:
        case ast.BinOp(left=kind, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _of_type(kind)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return {"anyOf": [_of_type(left), _of_type(right)]}
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, about])):
            assert isinstance(about, ast.Call)
            return {**_of_type(kind), **_bounds(about.keywords)}
        case ast.Subscript(value=ast.Name(id="list"), slice=kind):
            return {"type": "array", "items": _of_type(kind)}
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, kind])):
            return {"type": "object", "additionalProperties": _of_type(kind)}
        case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
            each = ast.literal_eval(values)
            return {"enum": list(each) if isinstance(each, tuple) else [each]}
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return dict(PLAIN.get(name, {"$ref": f"#/$defs/{name}"}))
    raise AssertionError(f"no schema for {ast.unparse(said)}")


def _bounds(keywords: Iterable[ast.keyword]) -> Schema:
    values = {str(each.arg): ast.literal_eval(each.value) for each in keywords}
    return {BOUNDS.get(name, name): value for name, value in values.items()}
