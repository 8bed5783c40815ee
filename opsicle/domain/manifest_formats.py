"""Which fields manifests and orders have in each format, and how a message is encoded in one.

A digest or a signature covers bytes, so the bytes of a format never change once it has been
released. Server and worker keep the last two formats and say in every poll which they speak; what
one hands to the other is in the newest that both do. An automation keeps the format in which it was
triggered.

To add a field to one of the structs in the table (with a default, always):

- While the newest format has not been released, append the name to that format's line.
- After its release, either name it under `later` of the newest format: it is left out while it has
  its default, so all that was written before stays as it is, and a program that does not know it
  refuses only what makes use of it;
- or, if older programs must not go on without it, begin the next format: copy the newest one's
  table with the field added, and drop the oldest format.

A field that stands in no format's list is an error as soon as it has a value: nothing unsaid is
ever signed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, get_args

import msgspec

Fields = Mapping[str, tuple[str, ...]]
"""Names of fields by the name of the struct that has them."""

_FIRST: Fields = {
    "Manifest": (
        "format",
        "org_id",
        "automation_id",
        "template",
        "version",
        "template_digest",
        "phases",
        "values",
        "secret_variables",
        "secrets",
        "volume_mounts",
        "runs_on",
        "timeout",
        "on_worker_lost",
        "requester_id",
        "requester",
        "reason",
    ),
    "Phase": (
        "name",
        "commands",
        "image",
        "timeout",
        "env",
        "secrets",
        "working_directory",
        "when",
        "retries",
        "shell",
        "outputs",
    ),
    "Concurrency": ("group", "limit", "on_limit", "by"),
    "Retries": ("limit", "delay"),
    "ResourceLimits": ("cpu_seconds", "memory_mib", "processes", "file_mib"),
    "KubernetesOptions": ("service_account", "cpu_millis", "memory_mib"),
    "SlurmOptions": ("partition", "account", "qos", "time", "cpus", "memory_mib"),
    "VolumeMount": ("host", "container"),
    "InputFile": ("variable", "position", "name", "size", "sha256"),
    "WorkOrder": (
        "format",
        "org_id",
        "worker_id",
        "automation_id",
        "job_id",
        "fence",
        "nonce",
        "manifest_digest",
        "policy_digest",
        "decisions",
        "issued_at",
        "expires_at",
    ),
    "BoundDecision": ("gate", "decision", "user_id", "email", "with_mfa", "decided_at"),
    "PolicyAsked": (
        "org_id",
        "approval_id",
        "policy_id",
        "policy_name",
        "policy_version",
        "policy_digest",
        "policy",
        "requester_id",
        "asked_at",
        "asked_seq",
    ),
    "Call": ("template", "version", "values"),
    "ValueSource": ("value", "variable", "output"),
    "BoundCall": (
        "phase",
        "position",
        "template",
        "template_id",
        "version",
        "digest",
        "calls",
    ),
    "BoundFanOut": ("kind", "members", "parallel", "max_failures"),
    "BoundMember": ("name", "worker_id", "target", "digest", "labels", "where"),
    "MemberOf": ("automation_id", "position", "member", "plan_outputs"),
    "BoundTarget": ("name", "host", "user", "host_keys", "secret", "port"),
    "CalledBy": ("automation_id", "fence", "phase", "position"),
    "Pause": ("message", "gate", "variables"),
    "Gate": (
        "name",
        "approvers",
        "required",
        "rejections_to_end",
        "require_reason",
        "require_mfa",
        "allow_requester",
        "expires_after",
        "remind_after",
        "escalate",
        "when",
        "chats",
    ),
    "Approvers": ("manager", "users", "groups", "roles", "chat_users"),
    "Escalation": ("after", "to"),
    "Chat": ("channel", "id"),
    "Condition": ("variable", "label", "any_of", "none_of"),
    "Variable": (
        "id",
        "type",
        "label",
        "description",
        "default",
        "is_required",
        "options",
        "pattern",
        "min",
        "max",
        "multiple",
    ),
    "Resume": (
        "approval_id",
        "phase",
        "paused_fence",
        "verdict",
        "reason",
        "values",
        "decisions",
    ),
    "ResumePoint": ("automation_id", "first_phase", "outputs", "answers"),
    "KeptWorkspace": ("job_id", "worker_id", "worker_name", "kept_until"),
    "ResumeDecision": ("user_id", "email", "principal_id", "decision", "with_mfa"),
}

_SECOND: Fields = {
    **_FIRST,
    "Manifest": (*_FIRST["Manifest"], "principal_id", "policy"),
    "BoundDecision": (*_FIRST["BoundDecision"], "principal_id"),
    "WorkOrder": (*_FIRST["WorkOrder"], "epoch", "epoch_id"),
}

_LATER: Fields = {
    "Manifest": (
        "runs_on_where",
        "priority",
        "concurrency",
        "resumed_from",
        "files",
        "keep_workspace",
        "calls",
        "called_by",
        "plan",
        "plan_outputs",
        "evidence",
        "fan_out",
        "member_of",
        "target",
        "only_worker",
        "start_at",
    ),
    "Phase": (
        "network",
        "pull",
        "user",
        "read_only",
        "limits",
        "artifacts",
        "pause",
        "on_failure",
        "calls",
        "slurm",
        "kubernetes",
    ),
    "BoundCall": ("fan_out",),
    "BoundFanOut": ("timeout",),
    "BoundMember": ("own_labels",),
    "ValueSource": ("secret",),
    "Resume": ("outputs",),
    "Retries": ("backoff", "retry_on"),
    "ResumePoint": ("workspace",),
    "ResourceLimits": ("nice",),
    "WorkOrder": ("resume", "is_plan"),
}


class Format(NamedTuple):
    """The fields that a format writes, always or (`later`) unless they have their default."""

    always: Fields
    later: Fields


FORMATS: Mapping[int, Format] = {1: Format(_FIRST, {}), 2: Format(_SECOND, _LATER)}
"""The last two, by number."""

NEWEST = max(FORMATS)
SUPPORTED_FORMATS = tuple(sorted(FORMATS))

BEFORE_FORMATS = (1,)
"""What a program supports that does not say."""


class FieldNotSupported(Exception):
    """A message holds what the format has no field for; the text names the field."""


def newest_common(formats: Iterable[int]) -> int | None:
    """Return the newest format that this program and another one support, or None."""
    return max(FORMATS.keys() & set(formats), default=None)


def format_list(numbers: Iterable[int]) -> str:
    """Return formats in words.

    >>> listed((2, 1))
    '1, 2'
    """
    return ", ".join(map(str, sorted(numbers))) or "none"


def formats_text(who: str, numbers: Collection[int]) -> str:
    """Return which formats of manifests a worker speaks, as the beginning of a sentence."""
    return f"{who} speaks manifest format{'' if len(numbers) == 1 else 's'} {format_list(numbers)}"


def encode_in_format(message: msgspec.Struct, number: int) -> bytes:
    """Return the canonical encoding of a message in a format.

    It is JSON in UTF-8 with sorted keys and no spaces.

    Raises FieldNotSupported if it holds what the format has no field for.
    """
    whole = message if _is_complete(type(message), number) else _jsonable(message, number)
    return msgspec.json.encode(whole, order="sorted")


@cache
def _is_complete(kind: type[msgspec.Struct], number: int) -> bool:
    """Return whether a format writes just the fields that a struct and all structs in it have.

    Then msgspec encodes it as `_jsonable` would have it, at a tenth of the cost.
    """
    config, fields = kind.__struct_config__, msgspec.structs.fields(kind)
    is_plain = not (config.tag_field or config.omit_defaults or config.array_like)
    return (
        is_plain
        and FORMATS[number].always.get(kind.__name__) is not None
        and {field.name for field in fields} == {field.encode_name for field in fields}
        and {field.name for field in fields} == set(FORMATS[number].always[kind.__name__])
        and all(_is_complete(each, number) for field in fields for each in _structs_in(field.type))
    )


def _structs_in(hint: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs that a type names, such as `Phase` in `tuple[Phase, ...]`."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in get_args(hint):
        yield from _structs_in(part)


_PLAIN = frozenset({str, int, bool, float, type(None)})
"""Types of what is written as it is; most fields have one of them, so these are looked at first."""


def _jsonable(value: object, number: int) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, msgspec.Struct):
        return _struct(value, number)
    if isinstance(value, dict):
        return {key: _jsonable(item, number) for key, item in value.items()}
    if isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
        return _encoded_cached(value, number)
    if isinstance(value, (list, tuple)):
        return [_jsonable(item, number) for item in value]
    return value


_MAX_CACHED, _MAX_CACHED_BYTES = 32, 16 * 1024
"""Encodings, and bytes of each."""

_cache: dict[tuple[int, int], tuple[tuple[object, ...], msgspec.Raw]] = {}
"""Encodings of what does not change by the identity of it, which is held, so that nothing else gets
the same one."""


def _encoded_cached(parts: tuple[object, ...], number: int) -> msgspec.Raw:
    """Return the encoding of a tuple of structs.

    The phases of a template, of which each of its runs says the same.
    """
    known = _cache.get((id(parts), number))
    if known is not None:
        return known[1]

    encoded = msgspec.Raw(
        msgspec.json.encode([_jsonable(part, number) for part in parts], order="sorted")
    )

    if len(bytes(encoded)) <= _MAX_CACHED_BYTES:
        if len(_cache) >= _MAX_CACHED:
            _cache.clear()
        _cache[id(parts), number] = parts, encoded

    return encoded


def _struct(value: msgspec.Struct, number: int) -> dict[str, object]:
    """Return a struct's fields with their defaults too.

    So a default changed later changes no digest silently.
    """
    plan = _plan(type(value), number)

    written = {
        name: item if type(item) in _PLAIN else _jsonable(item, number)
        for name, item in zip(plan.always, plan.always_of(value), strict=True)
    }
    rest = plan.rest_of(value)
    if rest == plan.defaults:
        return written

    for name, item, default in zip(plan.rest, rest, plan.defaults, strict=True):
        if item != default:
            if name in plan.unknown:
                raise FieldNotSupported(f"{type(value).__name__}.{name}")
            written[name] = _jsonable(item, number)

    return written


class _Plan(NamedTuple):
    """What is written of a kind of struct: some fields always, the `rest` if not their `defaults`.

    `always_of` and `rest_of` return the values: to look at each would cost most.
    """

    always: tuple[str, ...]
    rest: tuple[str, ...]
    unknown: frozenset[str]
    defaults: tuple[object, ...]
    always_of: Callable[[msgspec.Struct], tuple[object, ...]]
    rest_of: Callable[[msgspec.Struct], tuple[object, ...]]


@cache
def _plan(kind: type[msgspec.Struct], number: int) -> _Plan:
    form, name = FORMATS[number], kind.__name__
    if name not in form.always:
        raise FieldNotSupported(name)

    always, later = form.always[name], form.later.get(name, ())
    defaults = {each.name: _default(each) for each in msgspec.structs.fields(kind)}
    unknown = frozenset(defaults.keys() - set(always) - set(later))
    rest = (*later, *sorted(unknown))
    values = tuple(defaults[each] for each in rest)
    return _Plan(always, rest, unknown, values, _values_of(always), _values_of(rest))


def _values_of(names: tuple[str, ...]) -> Callable[[msgspec.Struct], tuple[object, ...]]:
    if len(names) > 1:  # of one name, `attrgetter` returns no tuple
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _default(field: msgspec.structs.FieldInfo) -> object:
    """Return a field's default; one that has none differs from every value."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
