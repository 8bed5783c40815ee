"""Warnings about commands: what they find, and that they keep quiet about what is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.shell_lint import MAX_WARNINGS, warnings
from opsicle.domain.templates import Phase, Template, Variable


def template(*commands: str) -> Template:
    return Template(
        name="t",
        phases=(Phase(name="p", commands=commands),),
        variables=(Variable(id="x"), Variable(id="page-text")),
    )


def warned(command: str) -> list[str]:
    return [problem.message for problem in warnings(template(command))]


@pytest.mark.parametrize(
    "command",
    [
        'echo "$OPSICLE_VAR_X"',
        'echo "${OPSICLE_VAR_X}"',
        'echo "a ${OPSICLE_VAR_X:-b} c"',
        'echo "${HOME:-$OPSICLE_VAR_X}"',
        "echo '$OPSICLE_VAR_X'",
        r"echo \$OPSICLE_VAR_X",
        r'echo "\$OPSICLE_VAR_NONE"',
        "# $OPSICLE_VAR_X\necho",
        "echo # $OPSICLE_VAR_X",
        'echo "$(printf %s "$OPSICLE_VAR_X")"',
        'echo "`printf %s "$OPSICLE_VAR_X"`"',
        'cat <<EOF\n$OPSICLE_VAR_X\nEOF\necho "$OPSICLE_VAR_X"',
        "cat <<'EOF'\n$OPSICLE_VAR_NONE\nEOF\n",
        'cat <<-EOF\n\t$OPSICLE_VAR_X\n\tEOF\necho "$OPSICLE_VAR_X"',
        "cat <<EOF\n$OPSICLE_VAR_X",
        "echo ${#OPSICLE_VAR_X}",
        'ls ${OPSICLE_VAR_X:+--width "$OPSICLE_VAR_X"}',
        "echo $HOME ${PATH} $1 $? $$ $@",
        'echo it\\\'s "$OPSICLE_VAR_X"',
        "echo $'it\\'s' \"$OPSICLE_VAR_X\"",
        'case "$OPSICLE_VAR_X" in a) echo "$OPSICLE_VAR_X";; esac',
        'f() { echo "$OPSICLE_VAR_X"; }; f',
        '(cd / && echo "$OPSICLE_VAR_X")',
        "docker inspect -f '{{.State.Status}}' web",
        "docker ps --format '{{ .Names }}'",
        'read -r line <<< "$OPSICLE_VAR_X"',
        'echo "$((1 + 2))" "$OPSICLE_VAR_X"',
        "awk '{ print $1 }' \"$OPSICLE_VAR_X\"",
    ],
)
def test_a_command_that_is_right_is_not_warned_about(command: str) -> None:
    assert warned(command) == []


@pytest.mark.parametrize(
    "command",
    [
        "echo $OPSICLE_VAR_X",
        "echo ${OPSICLE_VAR_X}",
        "echo ${OPSICLE_VAR_X:-b}",
        "echo ${HOME:-$OPSICLE_VAR_X}",
        'echo ""$OPSICLE_VAR_X',
        'echo "a"$OPSICLE_VAR_X"b"',
        "echo a#$OPSICLE_VAR_X",
        'echo "$(printf %s $OPSICLE_VAR_X)"',
        'echo "`printf %s $OPSICLE_VAR_X`"',
        "echo it\\'s $OPSICLE_VAR_X",
        "echo '' $OPSICLE_VAR_X",
        "cat <<EOF\nEOF\necho $OPSICLE_VAR_X",
        "(echo $OPSICLE_VAR_X)",
        "rm -rf /srv/$OPSICLE_VAR_X/cache",
        "if [ $OPSICLE_VAR_X = a ]; then :; fi",
        'echo "${HOME:-"$OPSICLE_VAR_X"}"' + " $OPSICLE_VAR_X",
    ],
)
def test_an_unquoted_variable_is_warned_about(command: str) -> None:
    (message,) = warned(command)
    assert message.startswith("`$OPSICLE_VAR_X` is not in double quotes")
    assert message.endswith('write "$OPSICLE_VAR_X"')


def test_a_variable_that_the_template_does_not_have_is_warned_about() -> None:
    assert warned('echo "$OPSICLE_VAR_PAGETEXT"') == [
        "no variable of this template is called `OPSICLE_VAR_PAGETEXT` in commands"
        " (did you mean `OPSICLE_VAR_PAGE_TEXT`?)"
    ]


@pytest.mark.parametrize(
    "command", ["echo $((OPSICLE_VAR_X + $OPSICLE_VAR_X))", 'echo "$((($OPSICLE_VAR_X)*2))"']
)
def test_a_value_that_the_shell_would_evaluate_is_warned_about(command: str) -> None:
    (message,) = warned(command)
    assert "where the shell evaluates the value" in message


@pytest.mark.parametrize(
    ("placeholder", "name"),
    [
        ("{{ x }}", "OPSICLE_VAR_X"),
        ("{{page-text}}", "OPSICLE_VAR_PAGE_TEXT"),
        ("{{ .Values.x }}", "OPSICLE_VAR_X"),
        ("${{ inputs.other }}", "OPSICLE_VAR_OTHER"),
    ],
)
def test_a_placeholder_is_warned_about_as_values_are_never_pasted_in(
    placeholder: str, name: str
) -> None:
    (message,) = warned(f"echo '{placeholder}'")
    assert message.startswith("values are never pasted into commands")
    assert message.endswith(f'write "${name}"')


def test_a_warning_names_the_command() -> None:
    assert [problem.path for problem in warnings(template("true", "echo $OPSICLE_VAR_X"))] == [
        "spec.template.phases[0].commands[1]"
    ]


def test_warnings_are_bounded_in_number_and_time() -> None:
    command = " ".join(f"$OPSICLE_VAR_V{i}" for i in range(4_000))
    assert len(warnings(template(*[command] * 10))) == MAX_WARNINGS


@pytest.mark.parametrize(
    "hostile",
    ["$(" * 30_000, '"$(' * 20_000, "<<a " * 15_000 + "\n" * 4_000, "${" * 30_000, "'" * 65_000],
)
def test_a_hostile_command_is_gone_through_once(hostile: str) -> None:
    assert warned(hostile) == []


SHELL_SIGNS = st.text(alphabet="$OPSICLE_VAR_X{}()\"'`\\<# \n-a", max_size=60)


@given(SHELL_SIGNS)
def test_any_command_can_be_looked_at(command: str) -> None:
    warned(command)


SAFE = st.sampled_from(
    [
        "echo ",
        '"$OPSICLE_VAR_X"',
        '"a ${OPSICLE_VAR_X} b"',
        "'$OPSICLE_VAR_NONE'",
        "\\$OPSICLE_VAR_NONE",
        '"$(printf "%s" "$OPSICLE_VAR_X")"',
        "# $OPSICLE_VAR_NONE ' \" \n",
        " cat <<EOF\n$OPSICLE_VAR_X ' \" (\nEOF\n",
        '; ( cd / ; "$OPSICLE_VAR_X" ) ;',
        "$((1 + (2 * 3)))",
        '"`echo "$OPSICLE_VAR_X"`"',
    ]
)


@given(st.lists(SAFE, max_size=12).map(" ".join))
def test_quoted_uses_are_never_warned_about(command: str) -> None:
    assert warned(command) == []


@given(st.lists(SAFE, max_size=12).map(" ".join))
def test_an_unquoted_use_is_found_whatever_stands_before_it(before: str) -> None:
    assert len(warned(f"{before}\necho $OPSICLE_VAR_X")) == 1
