"""What can be wrong with a phase that calls templates: as `phase_mistakes.py`."""

from __future__ import annotations

from tests.unit.template_sources import PHASE, with_phases

MISTAKES = {
    "a call with commands": (
        with_phases('- {name: a, call: {template: b}, commands: ["true"]}'),
        f"{PHASE}.commands",
        8,
        "has no meaning in a phase that calls",
    ),
    "a call with retries": (
        with_phases("- {name: a, call: {template: b}, retries: {limit: 1}}"),
        f"{PHASE}.retries",
        8,
        "has no meaning in a phase that calls",
    ),
    "a call in a clean-up phase that would ask people": (
        with_phases("- {name: a, call: {template: b}, when: always, onFailure: ask}"),
        f"{PHASE}.when",
        8,
        "only while all has gone well",
    ),
    "a call of nothing": (
        with_phases("- {name: a, call: []}"),
        f"{PHASE}.call",
        8,
        "at least one item",
    ),
    "a call of a version that there cannot be": (
        with_phases("- {name: a, call: {template: b, version: 0}}"),
        f"{PHASE}.call.version",
        8,
        "must be between 1",
    ),
    "a call with an output of a later phase": (
        with_phases(
            "- {name: a, call: [{template: b, values: {x: {output: y}}}]}\n"
            '- {name: c, outputs: [y], commands: ["true"]}'
        ),
        f"{PHASE}.call[0].values.x",
        8,
        "`y` is not among the outputs of the phases",
    ),
    "a call with a variable that the template has not": (
        with_phases("- {name: a, call: {template: b, values: {x: {variable: y}}}}"),
        f"{PHASE}.call.values.x",
        8,
        "the template has no variable `y`",
    ),
}
