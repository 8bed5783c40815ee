"""What can be wrong with a template: document, path, line, and part of the message."""

from __future__ import annotations

HEAD = "apiVersion: v1\ntype: AutomationTemplate\nmetadata:\n  name: web\n"  # lines 1 to 4
BODY = "spec:\n  template:\n    phases:\n      - name: check\n        commands: [nginx -t]\n"
"""Lines 5 to 9."""


def in_spec(text: str) -> str:
    """Return a good template with more fields in its `spec`, from line 10 on."""
    return HEAD + BODY + "".join(f"  {line}\n" for line in text.splitlines())


def in_phase(text: str) -> str:
    """Return a good template with more fields in its phase, from line 10 on."""
    return HEAD + BODY + "".join(f"        {line}\n" for line in text.splitlines())


def in_variable(text: str) -> str:
    """Return a good template with one variable.

    Its `id` stands on line 11, its other fields from line 12 on.
    """
    return in_spec(
        "variables:\n  - id: x\n" + "".join(f"    {line}\n" for line in text.splitlines())
    )


def with_phases(text: str) -> str:
    """Return a template with nothing but these phases; the first line of them is line 8."""
    return (
        HEAD
        + "spec:\n  template:\n    phases:\n"
        + "".join(f"      {line}\n" for line in text.splitlines())
    )


PHASE = "spec.template.phases[0]"
VARIABLE = "spec.variables[0]"

MISTAKES = {
    # not a document
    "empty": ("", "", 1, "it is empty"),
    "only comments": ("# nothing\n", "", 1, "it is empty"),
    "only an empty document": ("---\n", "", 1, "it is empty"),
    "text": ("hello", "", 1, "must be a mapping (lines of `field: value`), not text"),
    "a list": ("- a\n", "", 1, "must be a mapping (lines of `field: value`), not a list"),
    "two documents": (HEAD + BODY + "---\na: 1\n", "", 11, "a second document starts here"),
    "not YAML": (HEAD + "spec: {a: [}\n", "", 5, "it is not YAML"),
    "a tab": (HEAD + "spec:\n\ttemplate: x\n", "", 6, "indent with spaces, not tabs"),
    "a colon in plain text": (in_phase("env:\n  A: b: c"), "", 11, "in quotes"),
    "an unclosed quote": (HEAD + 'spec: "abc\n', "", 6, "it is not YAML"),
    "a control character": (HEAD + "spec: \x07\n", "", 5, "control character"),
    "a tag": (HEAD + BODY + "  timeout: !!int 5\n", "spec.timeout", 10, "tags are not taken"),
    "a Python tag": ("!!python/object/apply:os.system [id]", "", 1, "tags are not taken"),
    "a merge key": (
        HEAD + BODY + "  <<: {timeout: 1}\n",
        "spec",
        10,
        "merge keys (`<<`) are not taken",
    ),
    "an alias to nothing": (
        HEAD + "spec: *nothing\n",
        "spec",
        5,
        "`*nothing` stands before or inside",
    ),
    "an alias inside itself": (
        HEAD + "spec: &a {template: *a}\n",
        "spec.template",
        5,
        "`*a` stands before or inside",
    ),
    "a key twice": (
        HEAD + BODY + "  timeout: 5\n  timeout: 6\n",
        "spec.timeout",
        11,
        "stands twice; first on line 10",
    ),
    "a boolean key": (
        in_phase("env:\n  on: x"),
        f"{PHASE}.env",
        11,
        "the key `on` as a boolean; write it in quotes",
    ),
    "a number as key": (in_phase("env:\n  1: x"), f"{PHASE}.env", 11, "the key `1` as an integer"),
    "an empty key": (in_phase("env:\n  ?\n  : x"), f"{PHASE}.env", 11, "a key is empty"),
    "a list as key": (in_phase("env:\n  ? [a]\n  : x"), f"{PHASE}.env", 11, "a key must be text"),
    "infinity": (
        in_variable("type: float\nmax: .inf"),
        f"{VARIABLE}.max",
        13,
        "`.inf` is not a finite number",
    ),
    "not a number": (
        in_variable("type: float\nmax: .NaN"),
        f"{VARIABLE}.max",
        13,
        "`.NaN` is not a finite number",
    ),
    "a NUL": (in_phase('image: "a\\0b"'), f"{PHASE}.image", 10, "holds a NUL"),
    # the header
    "no apiVersion": (HEAD.replace("apiVersion: v1\n", "") + BODY, "apiVersion", 1, "is missing"),
    "another apiVersion": (
        HEAD.replace("v1", "v2") + BODY,
        "apiVersion",
        1,
        "must be `v1`, not `v2`",
    ),
    "a number as apiVersion": (
        HEAD.replace("v1", "1") + BODY,
        "apiVersion",
        1,
        'write it in quotes: "1"',
    ),
    "no type": (HEAD.replace("type: AutomationTemplate\n", "") + BODY, "type", 1, "is missing"),
    "kind for type": (HEAD.replace("type", "kind") + BODY, "kind", 2, "unknown field `kind`"),
    "a mistyped type": (
        HEAD.replace("AutomationTemplate", "AutomationTemplat") + BODY,
        "type",
        2,
        "`AutomationTemplat` is not a known type (did you mean `AutomationTemplate`?)",
    ),
    "an ApprovalPolicy": (
        "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: a}\nspec: {telegram: {}}\n",
        "type",
        2,
        "this is an `ApprovalPolicy`; wanted here: `AutomationTemplate`",
    ),
    "an Automation": (
        HEAD.replace("AutomationTemplate", "Automation") + BODY,
        "type",
        2,
        "this is an `Automation`",
    ),
    "no metadata": (
        "apiVersion: v1\ntype: AutomationTemplate\n" + BODY,
        "metadata",
        1,
        "is missing",
    ),
    "no name": (HEAD.replace("name: web", "labels: {}") + BODY, "metadata.name", 4, "is missing"),
    "an empty name": (HEAD.replace("web", "") + BODY, "metadata.name", 4, "is empty"),
    "a name with capitals": (
        HEAD.replace("web", "Web") + BODY,
        "metadata.name",
        4,
        "1 to 63 of the characters",
    ),
    "a name too long": (
        HEAD.replace("web", "w" * 64) + BODY,
        "metadata.name",
        4,
        "1 to 63 of the characters",
    ),
    "a name with a line break": (
        HEAD.replace("web", '"web\\n"') + BODY,
        "metadata.name",
        4,
        "is no valid name",
    ),
    "a boolean as name": (
        HEAD.replace("web", "yes") + BODY,
        "metadata.name",
        4,
        "`yes` as a boolean; write it in quotes",
    ),
    "a date as name": (
        HEAD.replace("web", "2025-01-01") + BODY,
        "metadata.name",
        4,
        "as a date; write it in quotes",
    ),
    "a list as name": (
        HEAD.replace("web", "[web]") + BODY,
        "metadata.name",
        4,
        "must be text, not a list",
    ),
    "an unknown metadata field": (
        HEAD + "  label: {}\n" + BODY,
        "metadata.label",
        5,
        "did you mean `labels`?",
    ),
    "a number as label": (
        HEAD + "  labels: {a: 1}\n" + BODY,
        "metadata.labels.a",
        5,
        'write it in quotes: "1"',
    ),
    "a bad label": (
        HEAD + "  labels: {a b: c}\n" + BODY,
        "metadata.labels[`a b`]",
        5,
        "`a b` is no label",
    ),
    "labels as a list": (
        HEAD + "  labels: [a]\n" + BODY,
        "metadata.labels",
        5,
        "must be a mapping",
    ),
    "a label of two lines": (
        HEAD + '  labels: {a: "b\\nc"}\n' + BODY,
        "metadata.labels.a",
        5,
        "must be one line",
    ),
    "no spec": (HEAD, "spec", 1, "is missing"),
    "an empty spec": (HEAD + "spec:\n", "spec", 5, "is empty"),
    "an unknown field at the top": (
        HEAD + BODY + "version: 3\n",
        "version",
        10,
        "unknown field `version`",
    ),
    # spec
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
    "a boolean runsOn label": (
        in_spec("runsOn: {labels: {ssd: yes}}"),
        "spec.runsOn.labels.ssd",
        10,
        "in quotes",
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
        "`wait` is not allowed; it must be `queue` or `reject`",
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
    # phases
    "no phases": (
        HEAD + "spec: {template: {volumeMounts: []}}\n",
        "spec.template.phases",
        5,
        "is missing",
    ),
    "an empty list of phases": (
        HEAD + "spec: {template: {phases: []}}\n",
        "spec.template.phases",
        5,
        "at least one item",
    ),
    "phases as a mapping": (
        HEAD + "spec: {template: {phases: {a: b}}}\n",
        "spec.template.phases",
        5,
        "must be a list",
    ),
    "a phase as text": (with_phases("- nginx -t"), PHASE, 8, "must be a mapping"),
    "an empty phase": (
        with_phases("-"),
        PHASE,
        8,
        "must be a mapping (lines of `field: value`), not empty",
    ),
    "no phase name": (with_phases("- commands: [a]"), f"{PHASE}.name", 8, "is missing"),
    "a blank phase name": (
        with_phases('- name: " "\n  commands: [a]'),
        f"{PHASE}.name",
        8,
        "must not be empty",
    ),
    "a phase name of two lines": (
        with_phases('- name: "a\\nb"\n  commands: [a]'),
        f"{PHASE}.name",
        8,
        "must be one line without control characters",
    ),
    "a phase name twice": (
        with_phases("- {name: a, commands: [b]}\n- {name: a, commands: [c]}"),
        "spec.template.phases[1]",
        9,
        "a phase `a` stands further up already",
    ),
    "101 phases": (
        with_phases("\n".join(f"- {{name: p{i}, commands: [a]}}" for i in range(101))),
        "spec.template.phases",
        8,
        "has 101 items; at most 100",
    ),
    "no commands": (with_phases("- name: a"), f"{PHASE}.commands", 8, "is missing"),
    "no command in commands": (
        with_phases("- name: a\n  commands: []"),
        f"{PHASE}.commands",
        9,
        "at least one item",
    ),
    "commands as text": (
        with_phases("- name: a\n  commands: ls"),
        f"{PHASE}.commands",
        9,
        "must be a list",
    ),
    "command for commands": (
        with_phases("- name: a\n  command: [ls]"),
        f"{PHASE}.command",
        9,
        "did you mean `commands`?",
    ),
    "an empty command": (
        with_phases('- name: a\n  commands: [""]'),
        f"{PHASE}.commands[0]",
        9,
        "must not be empty",
    ),
    "a blank command": (
        with_phases('- name: a\n  commands: [" \\n"]'),
        f"{PHASE}.commands[0]",
        9,
        "must not be empty",
    ),
    "nothing as a command": (
        with_phases("- name: a\n  commands: [~]"),
        f"{PHASE}.commands[0]",
        9,
        "must be text, not empty",
    ),
    "true as a command": (
        with_phases("- name: a\n  commands:\n    - ls\n    - true"),
        f"{PHASE}.commands[1]",
        11,
        'YAML reads `true` as a boolean; write it in quotes: "true"',
    ),
    "a command with a colon": (
        with_phases("- name: a\n  commands:\n    - echo hello: world"),
        f"{PHASE}.commands[0]",
        10,
        "must be text, not a mapping",
    ),
    "a command too long": (
        with_phases(f"- name: a\n  commands: [{'x' * 65537}]"),
        f"{PHASE}.commands[0]",
        9,
        "is larger than 64 KiB",
    ),
    "a mistyped phase field": (
        in_phase("timeot: 5"),
        f"{PHASE}.timeot",
        10,
        "did you mean `timeout`?",
    ),
    "a phase timeout of 0": (
        in_phase("timeout: 0"),
        f"{PHASE}.timeout",
        10,
        "must be between 1 and 604,800",
    ),
    "a negative phase timeout": (in_phase("timeout: -1"), f"{PHASE}.timeout", 10, "not -1"),
    "a phase timeout of 8 days": (
        in_phase("timeout: 691200"),
        f"{PHASE}.timeout",
        10,
        "not 691,200",
    ),
    "a phase timeout with unit": (
        in_phase("timeout: 60s"),
        f"{PHASE}.timeout",
        10,
        "without quotes or unit, not `60s`",
    ),
    "a phase timeout in quotes": (
        in_phase('timeout: "60"'),
        f"{PHASE}.timeout",
        10,
        "without quotes or unit",
    ),
    "a decimal phase timeout": (
        in_phase("timeout: 1.5"),
        f"{PHASE}.timeout",
        10,
        "must be a whole number",
    ),
    "a boolean phase timeout": (
        in_phase("timeout: yes"),
        f"{PHASE}.timeout",
        10,
        "must be a whole number",
    ),
    "a phase timeout as a list": (in_phase("timeout: [1]"), f"{PHASE}.timeout", 10, "not a list"),
    "an octal phase timeout": (
        in_phase("timeout: 010"),
        f"{PHASE}.timeout",
        10,
        "`010` is not a plain decimal number",
    ),
    "a sexagesimal timeout": (
        in_phase("timeout: 1:30"),
        f"{PHASE}.timeout",
        10,
        "`1:30` is not a plain decimal number",
    ),
    "a giant phase timeout": (
        in_phase("timeout: 99999999999999999"),
        f"{PHASE}.timeout",
        10,
        "is not a plain decimal",
    ),
    "an unknown when": (
        in_phase("when: on-failure"),
        f"{PHASE}.when",
        10,
        "(did you mean `failure`?); it must be `success`",
    ),
    "a bad env name": (
        in_phase("env: {a-b: c}"),
        f"{PHASE}.env.a-b",
        10,
        "is no name of an environment variable",
    ),
    "a reserved env name": (
        in_phase("env: {OPSICLE_VAR_X: c}"),
        f"{PHASE}.env.OPSICLE_VAR_X",
        10,
        "only Opsicle itself",
    ),
    "a number in env": (
        in_phase("env: {PORT: 80}"),
        f"{PHASE}.env.PORT",
        10,
        'write it in quotes: "80"',
    ),
    "nothing in env": (
        in_phase("env: {PORT: }"),
        f"{PHASE}.env.PORT",
        10,
        "must be text, not empty",
    ),
    "env as a list": (in_phase("env: [A=b]"), f"{PHASE}.env", 10, "must be a mapping"),
    "an env value too long": (
        in_phase(f"env: {{A: {'x' * 65537}}}"),
        f"{PHASE}.env.A",
        10,
        "larger than 64 KiB",
    ),
    "a folder outside": (
        in_phase("workingDirectory: a/../.."),
        f"{PHASE}.workingDirectory",
        10,
        "inside the workspace",
    ),
    "an absolute folder": (
        in_phase("workingDirectory: /etc"),
        f"{PHASE}.workingDirectory",
        10,
        "inside the workspace",
    ),
    "an empty folder": (
        in_phase('workingDirectory: ""'),
        f"{PHASE}.workingDirectory",
        10,
        "inside the workspace",
    ),
    "a shell with arguments": (
        in_phase("shell: /bin/bash -x"),
        f"{PHASE}.shell",
        10,
        "without arguments",
    ),
    "a shell without path": (
        in_phase("shell: bash"),
        f"{PHASE}.shell",
        10,
        "must be the absolute path of a shell",
    ),
    "retries as a number": (in_phase("retries: 2"), f"{PHASE}.retries", 10, "must be a mapping"),
    "retries without limit": (
        in_phase("retries: {delay: 2}"),
        f"{PHASE}.retries.limit",
        10,
        "is missing",
    ),
    "too many retries": (
        in_phase("retries: {limit: 101}"),
        f"{PHASE}.retries.limit",
        10,
        "must be between 1 and 100",
    ),
    "a negative delay": (
        in_phase("retries: {limit: 1, delay: -1}"),
        f"{PHASE}.retries.delay",
        10,
        "between 0 and 86,400",
    ),
    "a secret twice": (in_phase("secrets: [a, a]"), f"{PHASE}.secrets[1]", 10, "`a` stands twice"),
    "a bad output": (
        in_phase("outputs: [a b]"),
        f"{PHASE}.outputs[0]",
        10,
        "`a b` is no valid name",
    ),
    "image as a mapping": (
        in_phase("image: {name: a}"),
        f"{PHASE}.image",
        10,
        "must be text, not a mapping",
    ),
    "a mount without host": (
        HEAD + BODY + "    volumeMounts: [{container: /tmp}]\n",
        "spec.template.volumeMounts[0].host",
        10,
        "is missing",
    ),
    "a relative container path": (
        HEAD + BODY + "    volumeMounts: [{host: ./a, container: tmp}]\n",
        "spec.template.volumeMounts[0]",
        10,
        "must be an absolute path, not `tmp`",
    ),
}
