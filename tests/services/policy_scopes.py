"""To what a policy applies by itself: its scopes, templates, and whether it does."""

from __future__ import annotations

from tests.services.document_pushes import EVERYTHING

SCOPES = {
    "everything": (EVERYTHING, "", "{}", True),
    "a label of the worker": (
        "{runsOn: {env: [production]}}",
        "runsOn: {labels: {env: production}}",
        "{}",
        True,
    ),
    "another label of the worker": (
        "{runsOn: {env: [production]}}",
        "runsOn: {labels: {env: test}}",
        "{}",
        False,
    ),
    "a label of the worker in capitals": (
        "{runsOn: {env: prod}}",
        "runsOn: {labels: {env: PROD}}",
        "{}",
        False,
    ),
    "a worker of any label": ("{runsOn: {env: [production]}}", "", "{}", True),
    "a label of the template": ("{labels: {team: payments}}", "", "{team: payments}", True),
    "a label of the template, spelled otherwise": (
        "{labels: {team: payments}}",
        "",
        "{team: Payments}",
        True,
    ),
    "another label of the template": ("{labels: {team: payments}}", "", "{team: web}", False),
    "a template without the label": ("{labels: {team: payments}}", "", "{}", True),
    "all of a line must fit": (
        "{runsOn: {env: [production]}, labels: {team: payments}}",
        "runsOn: {labels: {env: production}}",
        "{team: web}",
        False,
    ),
    "any of the lines": (
        "{runsOn: {env: [production]}}, {labels: {team: [payments, web]}}",
        "runsOn: {labels: {env: test}}",
        "{team: web}",
        True,
    ),
    "service accounts": ("{requesters: {serviceAccounts: true}}", "", "{}", False),
    "people by role": ("{requesters: {roles: [operator]}}", "", "{}", True),
    "people by another role": ("{requesters: {roles: [member]}}", "", "{}", False),
    "people by address": ("{requesters: {users: [Alice@example.com]}}", "", "{}", True),
}
