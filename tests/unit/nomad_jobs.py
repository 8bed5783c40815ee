"""Nomad's job specification, said as its API says it, for which there are models to judge by.

Most names of the specification are those of the API. Here is what is spelled otherwise, of what the
example uses, as Nomad's documentation has it; a name that stands in no table stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hcl2

Body = dict[str, Any]

MANY = {
    "group": "task_groups",
    "task": "tasks",
    "service": "services",
    "check": "checks",
    "template": "templates",
    "volume_mount": "volume_mounts",
    "network": "networks",
    "port": "reserved_ports",
}
"""Blocks of which there may be several, and the field that is the list of them."""

ONE = ("resources", "config")
BY_LABEL = {"volume": "volumes"}
LABELS = {"job": "name", "group": "name", "task": "name", "port": "label"}
SPELLED = {
    "service.port": "port_label",
    "template.data": "embedded_tmpl",
    "template.destination": "dest_path",
    "resources.memory": "memory_mb",
    "port.static": "value",
}
ONLY_OF_THE_API = {*MANY.values(), *BY_LABEL.values(), *SPELLED.values()}
DURATIONS = ("kill_timeout", "interval", "timeout")
SECONDS = {"s": 1, "m": 60, "h": 3600}


def job(path: Path) -> Body:
    """Return the one job of a file, spelled as in Nomad's API but in lower case."""
    (found,) = plain(hcl2.loads(path.read_text()))["job"]
    return _labelled("job", found)


def plain(read: Any) -> Any:
    """Return what was read of HCL without the quotes that its reader keeps."""
    if isinstance(read, dict):
        return {plain(key): plain(value) for key, value in read.items() if key[:2] != "__"}
    if isinstance(read, list):
        return [plain(each) for each in read]
    return read.strip('"') if isinstance(read, str) else read


def _labelled(block: str, found: Body) -> Body:
    if block not in LABELS:
        return _said(block, found)
    ((label, body),) = found.items()
    return {LABELS[block]: label, **_said(block, body)}


def _said(block: str, body: Body) -> Body:
    return dict(_field(block, name, value) for name, value in body.items())


def _field(block: str, name: str, value: Any) -> tuple[str, Any]:
    if f"{block}.{name}" in SPELLED:
        return SPELLED[f"{block}.{name}"], value
    if name in MANY:
        return MANY[name], [_labelled(name, each) for each in value]
    if name in BY_LABEL and isinstance(value, list):
        return BY_LABEL[name], {label: each for one in value for label, each in one.items()}
    if name in ONE:
        (only,) = value
        return name, _said(name, only)
    if name in DURATIONS:
        return name, int(value[:-1]) * SECONDS[value[-1]] * 10**9
    return f"{name} of the API" if name in ONLY_OF_THE_API else name, value
