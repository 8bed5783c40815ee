"""The templates that these tests run."""

from __future__ import annotations

GREET = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: greet}
spec:
  metadata:
    displayName: Greet somebody
    description: Says something to somebody
    owners: [{name: Ada, email: ada@example.com}]
  variables:
    - {id: who, label: Who, type: string, isRequired: true, pattern: "[A-Z][a-z]+", max: 20}
    - {id: times, label: How often, type: number, default: 2, min: 1, max: 9}
    - {id: tone, label: Tone, type: enum, options: [polite, rude], default: polite}
    - {id: days, label: Days, type: date, multiple: true}
    - {id: sure, label: Sure, type: bool, isRequired: true}
  template:
    phases:
      - name: speak
        commands:
          - |
            for i in $(seq "$OPSICLE_VAR_TIMES"); do
              printf '\\033[32m%s\\033[0m, %s\\n' "$OPSICLE_VAR_TONE" "$OPSICLE_VAR_WHO"
            done
          - echo "to stderr" >&2
      - name: part
        commands: ['echo goodbye']
"""

COUNT = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: count}
spec:
  template:
    phases:
      - name: count
        timeout: 600
        commands: ['for i in $(seq 600); do echo "number $i"; sleep 0.5; done']
      - name: clean-up
        when: always
        commands: ['echo cleaned up']
"""

LONG = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: long-log}
spec:
  template:
    phases:
      - name: print
        timeout: 600
        commands:
          - |
            awk 'BEGIN {
              for (i = 1; i <= 200000; i++)
                printf "line %06d of a log that is rather long, %s\\n", i,
                  "so that only what is in sight can be drawn"
            }'
          - head -c 10485760 /dev/zero | tr '\\0' 'x'; echo
          - echo the end
"""

MANY_LINES = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: many-lines}
spec:
  template:
    phases:
      - name: print
        commands:
          - seq -f 'row %.0f.' 1000000
"""

HOSTILE = r"""
apiVersion: v1
type: AutomationTemplate
metadata: {name: hostile}
spec:
  metadata: {displayName: 'Hostile <b>output</b>', description: '<img src=x onerror=alert(1)>'}
  variables: [{id: v, label: '<i>v</i>', type: string, default: '"><script>alert(1)</script>'}]
  template:
    phases:
      - name: print
        commands:
          - |
            printf '<script>alert(1)</script>'
            printf '<img src="https://example.com/x.png" onerror="alert(2)">\n'
            printf '\033]8;;javascript:alert(1)\033\\link\033]8;;\033\\ behind\n'
            printf '\033]0;stolen title\007\033[2J\033[Hafter the title\n'
            printf 'bidi \342\200\256 turned\342\200\254 zero\342\200\213width\n'
            printf 'bad \377\376 bytes\n'
            printf '\033]unclosed\nstill there\n'
            printf 'control \001\013\177 \302\233 signs\n'
            printf '\033[38;2;1;2;3;4;5;6;7;8;9999999m\033[?9999h'
            printf '\033[%sm odd\n' "$(seq -s ';' 3000)"
            for i in $(seq 3000); do printf '\033[%sm%s\r' "$((i % 255))" "$i"; done; echo
            printf '%s\n' "$OPSICLE_VAR_V"
            echo the end
"""

ALL = (GREET, COUNT, LONG, MANY_LINES, HOSTILE)
