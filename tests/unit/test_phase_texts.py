"""A phase in words, for whoever approves it."""

from __future__ import annotations

import pytest

from opsicle.cli.phase_texts import phase_lines
from opsicle.domain.template_parser import parse_template


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("commands: [a]", "(for at most 1 min)"),
        ("commands: [a], timeout: 5400", "(for at most 1 h 30 min)"),
        ("commands: [a], shell: /bin/bash", "(shell /bin/bash; for at most 1 min)"),
        ("commands: [a], workingDirectory: b", "(in the folder b; for at most 1 min)"),
        (
            "commands: [a], retries: {limit: 1, delay: 0}",
            "(for at most 1 min; tried again once, after 0 s)",
        ),
        (
            "commands: [a], retries: {limit: 3, delay: 10, backoff: 1.5, retryOn: [7, 75]}",
            "(for at most 1 min; tried again up to 3 times, after 10 s, "
            "each time 1.5 times as long, for exit code 7, 75 only)",
        ),
        ("commands: [a], artifacts: ['*.html']", "(for at most 1 min; keeps *.html)"),
        ("pause: {message: m, approvers: {manager: true}}", ""),
    ],
)
def test_it_says_what_decides_what_the_phase_does(fields: str, said: str) -> None:
    source = (
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: t}\n"
        f"spec: {{template: {{phases: [{{name: act, {fields}}}]}}}}\n"
    )
    [phase] = parse_template(source.encode()).phases

    first = next(phase_lines(phase))

    assert first == f"  act {said}".rstrip()
