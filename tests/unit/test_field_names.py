"""A field's name says one thing: in all messages it has one type, and its ending says the unit."""

from __future__ import annotations

import importlib
import pkgutil
import typing
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from types import NoneType, UnionType

import msgspec

from opsicle import wire

ABSENT = (NoneType, msgspec.UnsetType)

Field = tuple[str, object]
"""The name that the code has for it, and its type."""

SEVERAL = {
    "at": "a time; in the record's export it is the text that was hashed",
    "calls": "called templates: as they are bound, or what has come of them",
    "checkpoint": "of the record; a worker is told of which chain it is",
    "chunks": "of a log: in base64 for a browser, in MessagePack from a worker",
    "commands": "of a phase: their texts, or how each went",
    "data": "bytes as the format carries them; of the record what an entry adds, as it was hashed",
    "failed_tries": "of a phase: as a worker counts time, or as people are shown it",
    "fan_out": "as the template says, or with the machines that were bound",
    "files": "that an automation is given: for its worker, or for people",
    "gates": "of a policy: as it says, what each would ask, or how each stands",
    "host_keys": "of a target: for ssh, or for people with fingerprints",
    "invitation": "by itself, or with the link that is shown once",
    "items": "of any list",
    "jobs": "of an automation or a worker, as much of each as is asked for",
    "kind": "each noun has kinds of its own",
    "order": "of gates, as a policy's document says; of work, as the worker protocol says",
    "org": "its code; with its name for whoever is in it",
    "outcome": "what came of a start, of a call, of a job: each has words of its own",
    "outputs": "by name; in a report with what was masked",
    "phase": "its name; in logs and for workers its index",
    "phases": "of a template, or how each went, as much as is asked for",
    "plan": "as phases",
    "reason": "in words; a worker that leaves has three to choose from",
    "requester": "who has asked; a worker knows the address alone",
    "resumed_from": "an automation; for its worker also where it goes on, as the manifest says",
    "signature": "bytes; in the record's export hex",
    "state": "each noun has states of its own",
    "status": "of a problem as RFC 9457 has it; of the server as probes ask for it",
    "target": "its name; for a worker all that it takes to reach it",
    "targets": "of an automation with how each stands; of a secret their names",
    "templates": "their names; of a target with how each went there",
    "type": "of a document, of a setting, of a problem as RFC 9457 has it",
    "user": "an address, or the name to log in with; whole for whoever is logged in",
    "worker": "whole where it is shown; whoever chooses one gives its name or id",
}
"""Names with more than one type, and what each says nevertheless.

Most are words of the API or of a document that the same thing has seen from several sides.
"""

ENDINGS = {
    "at": {datetime},
    "bytes": {int},
    "count": {int},
    "days": {int},
    "mib": {int},
    "ms": {int},
    "seconds": {int, float},
}

BEGINNINGS = {"has": {bool}, "is": {bool}, "may": {bool}, "needs": {bool}}


def fields() -> Iterator[Field]:
    """Yield each field of each message."""
    for found in pkgutil.walk_packages(wire.__path__, f"{wire.__name__}."):
        module = importlib.import_module(found.name)
        for message in vars(module).values():
            is_struct = isinstance(message, type) and issubclass(message, msgspec.Struct)
            if is_struct and message.__module__ == module.__name__:
                types = typing.get_type_hints(message)
                for field in msgspec.structs.fields(message):
                    yield field.name, types[field.name]


def plain(kind: object) -> str:
    """Return a type in words: without what may be left out, and all that holds several alike."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, UnionType):
        return " or ".join(sorted({plain(p) for p in parts if p not in ABSENT}))
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, parts))}"
    held = ", ".join(plain(part) for part in parts if part is not Ellipsis)
    if origin in (list, tuple):
        return f"several {held}"
    if parts:
        return f"mapping of {held}"
    return getattr(kind, "__qualname__", str(kind))


def test_a_fields_name_has_one_type_in_all_messages_or_a_reason() -> None:
    types = defaultdict(set)
    for name, kind in fields():
        types[name].add(plain(kind))

    several = {name: found for name, found in types.items() if len(found) > 1}

    unknown = {name: found for name, found in several.items() if name not in SEVERAL}
    assert not unknown, "rename one of the fields, or say in SEVERAL why both have the name"
    assert set(several) == set(SEVERAL), "a reason that nothing needs any more"


def test_how_a_fields_name_begins_and_ends_says_what_it_is() -> None:
    for name, kind in fields():
        beginning, ending = name.partition("_")[0], name.rpartition("_")[2]
        said = BEGINNINGS.get(beginning) or (ENDINGS.get(ending) if ending != name else None)
        assert said is None or plain(kind) in {each.__qualname__ for each in said}, name
