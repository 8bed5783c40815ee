"""The JSON Schema of a template's document, for editors: what may stand where, and what it means.

It says less than the parser knows, which has the last word: not how fields depend on each other.
A test holds the fields of both together.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from opsicle.domain.automations import WorkerLost
from opsicle.domain.fan_outs import MOST_MEMBERS, MOST_SECONDS
from opsicle.domain.gate_parser import MAX_SECONDS
from opsicle.domain.notify_parser import ENDS
from opsicle.domain.phase_parser import MAX_TIMEOUT_SECONDS
from opsicle.domain.policies import GateOrder
from opsicle.domain.queue_parser import HIGHEST_PRIORITY, MAX_LIMIT, MAX_WAITING
from opsicle.domain.templates import OnFailure, OnLimit, Pull, VariableType, When

Schema = dict[str, Any]


def template_schema() -> Schema:
    """Return the schema, in the dialect of 2020-12."""
    header = _object(
        {
            "name": _text("What it is called in its org."),
            "labels": _texts("Names and values by which it is found."),
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A template of Opsicle",
        **_object(
            {
                "apiVersion": {"const": "v1"},
                "type": {"const": "AutomationTemplate"},
                "metadata": header,
                "spec": _spec(),
            },
            required=("apiVersion", "type", "metadata", "spec"),
        ),
        "$defs": {
            "phase": _phase(),
            "variable": _variable(),
            "gate": _object({"name": _text("What it is called."), **_gate_fields()}),
            "approvers": _approvers(),
            "call": _call({"version": _integer("The newest unless told.", 1)}),
            "chat": _object({"channel": _text("Its name."), "id": _text("Of a room or person.")}),
            "value": _object(
                {
                    "variable": _text("The id of one of this template's variables."),
                    "output": _text("The name of an output of an earlier phase."),
                    "secret": _text("The name of a secret of the org."),
                }
            ),
        },
    }


def _spec() -> Schema:
    about = {
        "displayName": _text("The title that people see."),
        "description": _text("What it does, and what to know before."),
        "owners": _list(
            _object({"name": _text("Who it is."), "email": _text("Their address.")}), "Whom to ask."
        ),
    }
    body = {
        "phases": _list(_ref("phase"), "What it does, in order."),
        "volumeMounts": _list(
            _object(
                {
                    "host": _text("In the workspace, or a folder that the worker allows."),
                    "container": _text("Where it is seen."),
                }
            ),
            "Folders that containers see.",
        ),
    }
    return _object(
        {
            "metadata": _object(about, "What people see."),
            "variables": _list(_ref("variable"), "What it asks for."),
            "template": _object(body, "What it does.", required=("phases",)),
            "approvalPolicy": _approval_policy(),
            "requireMfa": _flag("Whoever runs it shows a fresh code."),
            "notify": _list(_notify(), "Who is told how it ended."),
            "runsOn": _runs_on(),
            "timeout": _integer("Seconds for the whole of it.", 1, MAX_TIMEOUT_SECONDS),
            "onWorkerLost": _choice(WorkerLost, "When its worker is lost while it runs."),
            "priority": _integer("The highest comes first.", 0, HIGHEST_PRIORITY),
            "keepWorkspace": _integer(
                "Seconds that the workspace of a failed job is kept.", 1, MAX_TIMEOUT_SECONDS
            ),
            "maxWaiting": _integer("How many wait at most.", 1, MAX_WAITING),
            "concurrency": _object(
                {
                    "group": _text("The name of the group."),
                    "by": _list(_text("The id of a variable."), "A group for each value of these."),
                    "limit": _integer("How many run at once.", 1, MAX_LIMIT),
                    "onLimit": _choice(OnLimit, "When that many run."),
                },
                "How many of a group run at once.",
            ),
            "onSuccess": _list(_call({}), "Started once it has succeeded."),
            "onFailure": _list(_call({}), "Started once it has failed."),
            "plan": _list(_ref("phase"), "Phases that only look, before anybody is asked."),
        },
        required=("template",),
    )


def _approval_policy() -> Schema:
    inline = {
        "order": _choice(GateOrder, "One after the other, or side by side."),
        "gates": _list(_ref("gate"), "Who must agree."),
    }
    named = {
        "policyRef": _text("The name of a policy."),
        "spec": _object(inline, "A policy for this template alone."),
    }
    return {
        "description": "Who must agree before it runs.",
        "oneOf": [_object(named), {"const": "none"}],
    }


def _runs_on() -> Schema:
    which = {
        "labels": _texts("Labels that it must have."),
        "where": _text("An expression over labels."),
    }
    each = {
        **which,
        "names": _list(_text("A name."), "Only these."),
        "parallel": _integer("How many at once.", 1, MOST_MEMBERS),
        "maxFailures": _integer("How many may fail.", 0, MOST_MEMBERS),
        "timeout": _integer("Seconds for all of them together.", 1, MOST_SECONDS),
    }
    return _object(
        {
            **which,
            "acceptClaimed": _flag("A worker that only says that it has the labels will do."),
            "each": _object(each, "On each worker that fits."),
            "targets": _object(each, "On each target that fits, over SSH."),
        },
        "Where it runs.",
    )


def _notify() -> Schema:
    return _object(
        {
            "states": _list({"enum": list(ENDS)}, "Only if it ends so."),
            "users": _list(_text("An e-mail address."), "People."),
            "groups": _list(_text("A name."), "Groups."),
            "chats": _list(_ref("chat"), "Rooms."),
        }
    )


def _variable() -> Schema:
    scalar = {"type": ["string", "number", "boolean"]}
    return _object(
        {
            "id": _text("What the commands see as OPSICLE_VAR_ID."),
            "type": _choice(VariableType, "What may be entered."),
            "label": _text("What the form calls it."),
            "description": _text("What the form says of it."),
            "default": {"description": "What counts if nothing is entered."},
            "isRequired": _flag("It must be entered."),
            "options": _list(scalar, "What may be chosen, for the type enum."),
            "pattern": _text("What the whole value must match."),
            "min": {"type": "number", "description": "The least, in length or value."},
            "max": {"type": "number", "description": "The most, in length or value."},
            "multiple": _flag("It takes several."),
        },
        required=("id",),
    )


def _phase() -> Schema:
    return _object(
        {
            "name": _text("What the log calls it."),
            "commands": _list(_text("A command of the shell."), "What it runs, in one shell."),
            "timeout": _integer("Seconds, then it is ended.", 1, MAX_TIMEOUT_SECONDS),
            "when": _choice(When, "In which case it runs."),
            "env": _texts("Environment variables."),
            "workingDirectory": _text("A folder in the workspace."),
            "shell": _text("The absolute path of the shell."),
            "retries": _object(
                {
                    "limit": _integer("How often it is tried again.", 1, 100),
                    "delay": _integer("Seconds before it is tried again.", 0),
                    "backoff": {
                        "type": "number",
                        "description": "By what each delay is multiplied for the next one.",
                    },
                    "retryOn": _list({"type": "integer"}, "Only after these exit codes."),
                },
                "Trying it again.",
            ),
            "pause": _object(
                {
                    "message": _text("What people are asked."),
                    "variables": _list(_ref("variable"), "What they enter."),
                    **_gate_fields(has_conditions=False),
                },
                "Asks people before the job goes on.",
            ),
            "call": {
                "description": "Other templates that it runs, and waits for.",
                "anyOf": [_ref("call"), _list(_ref("call"), "Side by side.")],
            },
            "onFailure": _choice(OnFailure, "What its failure does."),
            "image": _text("The image of a container."),
            "network": _flag("Whether the container has a network."),
            "pull": _choice(Pull, "When the image is fetched."),
            "user": _text("A number, or two: user and group."),
            "readOnly": _flag("Whether the container's root is read-only."),
            "limits": _limits(),
            "slurm": _slurm(),
            "kubernetes": _kubernetes(),
            "secrets": _list(
                _text("The name of a secret."), "Secrets that its commands are handed."
            ),
            "artifacts": _list(_text("A pattern."), "Files that are kept."),
            "outputs": _list(_text("A name."), "Values that it hands on."),
        },
        required=("name",),
    )


def _limits() -> Schema:
    return _object(
        {
            "cpuSeconds": _integer("Seconds of CPU for each process.", 1),
            "memoryMiB": _integer("For all processes together.", 16),
            "processes": _integer("How many at once.", 1),
            "fileMiB": _integer("The size of each file.", 1),
            "nice": _integer("How far it stands back behind others.", 1, 19),
        },
        "The most that it may use.",
    )


def _slurm() -> Schema:
    return _object(
        {
            "partition": _text("Where it waits."),
            "account": _text("Whom it is charged to."),
            "qos": _text("Its quality of service."),
            "time": _integer("Seconds that it may run.", 60),
            "cpus": _integer("How many processors it is given.", 1),
            "memoryMiB": _integer("How much memory it is given.", 1),
        },
        "It is a job of Slurm, with these options.",
    )


def _kubernetes() -> Schema:
    return _object(
        {
            "serviceAccount": _text("As whom it asks the cluster."),
            "cpuMillis": _integer("Thousandths of a processor that it is given.", 1),
            "memoryMiB": _integer("How much memory it may have.", 16),
        },
        "It is a pod of Kubernetes, with these options.",
    )


def _gate_fields(*, has_conditions: bool = True) -> Schema:
    when = {
        "variable": _text("The id of a variable."),
        "label": _text("A label of runsOn."),
        "in": _list({}, "If it is one of these."),
        "notIn": _list({}, "If it is none of these."),
    }
    fields = {
        "approvers": _ref("approvers"),
        "required": _integer("How many must agree.", 1),
        "rejectionsToEnd": _integer("How many refusals end it.", 1),
        "requireReason": _flag("With a reason."),
        "requireMfa": _flag("With a fresh code."),
        "allowRequester": _flag("Whoever asks may decide too."),
        "expiresAfter": _integer("Seconds until nobody may agree any more.", 1, MAX_SECONDS),
        "remindAfter": _integer("Seconds until they are reminded.", 1, MAX_SECONDS),
        "escalate": _list(
            _object({"after": _integer("Seconds until then.", 1), "to": _ref("approvers")}),
            "Who else, later.",
        ),
        "chats": _list(_ref("chat"), "Rooms that hear of it."),
    }
    conditions = {"when": _list(_object(when), "Only for such values.")}
    return fields | (conditions if has_conditions else {})


def _approvers() -> Schema:
    return _object(
        {
            "manager": _flag("The manager of whoever asks."),
            "users": _list(_text("An e-mail address."), "People."),
            "groups": _list(_text("A name."), "Groups."),
            "roles": _list(_text("A name."), "Roles."),
            "chatUsers": _list(_ref("chat"), "People, by their accounts of a chat."),
        },
        "Who may agree.",
    )


def _call(more: Schema) -> Schema:
    values = {"type": "object", "additionalProperties": _any_or(_ref("value"))}
    named = {"template": _text("The name of a template."), **more}
    return _object(named | {"values": values}, required=("template",))


def _any_or(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": ["string", "number", "boolean", "array"]}]}


def _object(properties: Schema, description: str = "", required: tuple[str, ...] = ()) -> Schema:
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | _said(description) | ({"required": list(required)} if required else {})


def _list(items: Schema, description: str) -> Schema:
    return {"type": "array", "items": items, "description": description}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _texts(description: str) -> Schema:
    texts = {"type": "string"}
    return {"type": "object", "additionalProperties": texts, "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _integer(description: str, low: int, high: int | None = None) -> Schema:
    most = {} if high is None else {"maximum": high}
    return {"type": "integer", "minimum": low, **most, "description": description}


def _choice(words: type[StrEnum], description: str) -> Schema:
    return {"enum": [str(word) for word in words], "description": description}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _said(description: str) -> Schema:
    return {"description": description} if description else {}
