"""What can be wrong with a template's `spec`: document, path, line, and part of the message."""

from __future__ import annotations

from tests.unit.template_sources import (
    BODY,
    HEAD,
    in_spec,
)

MISTAKES = {
    "an unknown field": (in_spec("variable: []"), "spec.variable", 10, "did you mean `variables`?"),
    "a field in the wrong case": (
        in_spec("runson: {}"),
        "spec.runson",
        10,
        "did you mean `runsOn`?",
    ),
    "no template": (HEAD + "spec: {timeout: 5}\n", "spec.template", 5, "is missing"),
    "an unknown field of template": (
        HEAD + BODY + "    variables: []\n",
        "spec.template.variables",
        10,
        "known here: `phases` or `volumeMounts`",
    ),
    "a timeout of 0": (
        in_spec("timeout: 0"),
        "spec.timeout",
        10,
        "must be between 1 and 604,800, not 0",
    ),
    "a timeout over 7 days": (
        in_spec("timeout: 604801"),
        "spec.timeout",
        10,
        "must be between 1 and 604,800",
    ),
    "a code asked for in words": (
        in_spec("requireMfa: always"),
        "spec.requireMfa",
        10,
        "must be true or false",
    ),
    "a code asked for in capitals": (
        in_spec("requireMFA: true"),
        "spec.requireMFA",
        10,
        "did you mean `requireMfa`?",
    ),
    "notify for nobody": (
        in_spec("notify: [{states: [failed]}]"),
        "spec.notify[0]",
        10,
        "names nobody",
    ),
    "notify for no one": (in_spec("notify: [{users: []}]"), "spec.notify[0]", 10, "names nobody"),
    "notify for no end": (
        in_spec("notify: [{states: [], groups: [sre]}]"),
        "spec.notify[0].states",
        10,
        "it needs at least one item",
    ),
    "notify for an empty field of ends": (
        in_spec("notify:\n  - groups: [sre]\n    states:"),
        "spec.notify[0].states",
        12,
        "is empty",
    ),
    "notify for what is no end": (
        in_spec("notify: [{states: [faild], groups: [sre]}]"),
        "spec.notify[0].states[0]",
        10,
        "is not how an automation ends (did you mean `failed`?)",
    ),
    "notify for running ones": (
        in_spec("notify: [{states: [running], groups: [sre]}]"),
        "spec.notify[0].states[0]",
        10,
        "is not how an automation ends",
    ),
    "notify for an end twice": (
        in_spec("notify: [{states: [failed, failed], groups: [sre]}]"),
        "spec.notify[0].states[1]",
        10,
        "stands twice",
    ),
    "notify for a name": (
        in_spec("notify: [{users: [ops]}]"),
        "spec.notify[0].users[0]",
        10,
        "an e-mail address",
    ),
    "notify in an unknown chat": (
        in_spec("notify: [{chats: [{channel: irc, id: x}]}]"),
        "spec.notify[0].chats[0].channel",
        10,
        "`telegram` or `slack`",
    ),
    "notify for a state": (
        in_spec("notify: [{on: failed, groups: [sre]}]"),
        "spec.notify[0]",
        10,
        "in quotes",
    ),
    "a chain to nowhere": (
        in_spec("onSuccess: [{}]"),
        "spec.onSuccess[0].template",
        10,
        "is missing",
    ),
    "a chain with an output that no phase has": (
        in_spec("onSuccess: [{template: b, values: {x: {output: y}}}]"),
        "spec.onSuccess[0].values.x",
        10,
        "`y` is not among the outputs of the phases, and there are none",
    ),
    "a chain with a variable that the template has not": (
        in_spec("onFailure: [{template: b, values: {x: {variable: y}}}]"),
        "spec.onFailure[0].values.x",
        10,
        "the template has no variable `y`",
    ),
    "a chain with a value from two places": (
        in_spec("onFailure: [{template: b, values: {x: {variable: y, output: y}}}]"),
        "spec.onFailure[0].values.x",
        10,
        "must name either an `output` or a `variable`",
    ),
    "a chain that passes a secret on": (
        in_spec(
            "variables: [{id: y, type: secret}]\n"
            "onFailure: [{template: b, values: {x: {variable: y}}}]"
        ),
        "spec.onFailure[0].values.x",
        11,
        "not passed on",
    ),
    "an unknown onWorkerLost": (
        in_spec("onWorkerLost: retry"),
        "spec.onWorkerLost",
        10,
        "`unknown` or `requeue`",
    ),
    "a bad runsOn": (
        in_spec("runsOn: {site: ams}"),
        "spec.runsOn.site",
        10,
        "unknown field `site`; known here: `labels`",
    ),
    "a bad runsOn label": (
        in_spec('runsOn: {labels: {site: "a b"}}'),
        "spec.runsOn.labels.site",
        10,
        "`a b` is no value",
    ),
    "an each that says nothing": (
        in_spec("runsOn: {each: {parallel: 2}}"),
        "spec.runsOn.each",
        10,
        "needs `labels` or `where`",
    ),
    "labels beside each": (
        in_spec("runsOn: {labels: {a: b}, each: {where: a}}"),
        "spec.runsOn.each",
        10,
        "has `labels` and `where` of its own",
    ),
    "no machine at once": (
        in_spec("runsOn: {each: {where: a, parallel: 0}}"),
        "spec.runsOn.each.parallel",
        10,
        "must be between 1 and 1,000",
    ),
    "a boolean runsOn label": (
        in_spec("runsOn: {labels: {ssd: yes}}"),
        "spec.runsOn.labels.ssd",
        10,
        "in quotes",
    ),
    "a bad expression over labels": (
        in_spec('runsOn: {where: "site in (ams fra)"}'),
        "spec.runsOn.where",
        10,
        "column 14: expected `,` or `)`, not `fra`",
    ),
    "claimed labels for a secret": (
        in_spec(
            "runsOn: {labels: {a: b}, acceptClaimed: true}\nvariables: [{id: pin, type: secret}]"
        ),
        "spec.runsOn.acceptClaimed",
        10,
        "is not for templates with secrets",
    ),
    "claimed labels by a word": (
        in_spec("runsOn: {acceptClaimed: 1}"),
        "spec.runsOn.acceptClaimed",
        10,
        "must be true or false",
    ),
    "no concurrency group": (
        in_spec("concurrency: {limit: 1}"),
        "spec.concurrency.group",
        10,
        "is missing",
    ),
    "a concurrency of 0": (
        in_spec("concurrency: {group: a, limit: 0}"),
        "spec.concurrency.limit",
        10,
        "must be between 1 and 1,000",
    ),
    "a bad onLimit": (
        in_spec("concurrency: {group: a, onLimit: wait}"),
        "spec.concurrency.onLimit",
        10,
        "`wait` is not allowed; it must be `queue`, `reject` or `replace`",
    ),
    "a concurrency by no variable": (
        in_spec("concurrency: {group: a, by: [hots]}\nvariables: [{id: host, type: string}]"),
        "spec.concurrency.by[0]",
        10,
        "there is no variable `hots`; it must be `host`",
    ),
    "a concurrency by a secret": (
        in_spec("concurrency: {group: a, by: [pin]}\nvariables: [{id: pin, type: secret}]"),
        "spec.concurrency.by[0]",
        10,
        "of type `secret`, which no group can be named by",
    ),
    "a keepWorkspace of more than a week": (
        in_spec("keepWorkspace: 604801"),
        "spec.keepWorkspace",
        10,
        "must be between 1 and 604,800, not 604,801",
    ),
    "a maxWaiting of 0": (
        in_spec("maxWaiting: 0"),
        "spec.maxWaiting",
        10,
        "must be between 1 and 100,000, not 0",
    ),
    "a priority of 10": (
        in_spec("priority: 10"),
        "spec.priority",
        10,
        "must be between 0 and 9, not 10",
    ),
    "an empty approvalPolicy": (in_spec("approvalPolicy:"), "spec.approvalPolicy", 10, "is empty"),
    "an approvalPolicy of nothing": (
        in_spec("approvalPolicy: {}"),
        "spec.approvalPolicy",
        10,
        "names no policy",
    ),
    "an approvalPolicy as text": (
        in_spec("approvalPolicy: prod"),
        "spec.approvalPolicy",
        10,
        "must be a mapping",
    ),
    "a mistyped policyRef": (
        in_spec("approvalPolicy: {policyref: a}"),
        "spec.approvalPolicy.policyref",
        10,
        "did you mean `policyRef`?",
    ),
    "an owner of nothing": (
        in_spec("metadata: {owners: [{}]}"),
        "spec.metadata.owners[0]",
        10,
        "needs a `name`",
    ),
    "an owner as text": (
        in_spec("metadata: {owners: [Ada]}"),
        "spec.metadata.owners[0]",
        10,
        "must be a mapping",
    ),
    "an unknown owner field": (
        in_spec("metadata: {owners: [{name: a, mail: b}]}"),
        "spec.metadata.owners[0].mail",
        10,
        "did you mean `email`?",
    ),
    "a displayName too long": (
        in_spec(f"metadata: {{displayName: {'a' * 201}}}"),
        "spec.metadata.displayName",
        10,
        "has 201 characters; at most 200",
    ),
    "a plan phase called like another": (
        in_spec("plan: [{name: check, commands: [a]}]"),
        "spec.plan",
        10,
        "`check` stands in `template` too",
    ),
}
