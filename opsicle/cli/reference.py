"""`docs/cli.md`, made from the commands themselves. `python -m opsicle.cli.reference` prints it.

`opsicle man` makes the manual page of the same parts.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from opsicle.cli.examples import EXAMPLES
from opsicle.cli.root import root

_HEAD = """\
# Command line

Generated from the program by `opsicle/cli/reference.py`; change the commands, not this file.

"""

INTRODUCTION = """\
`opsicle [--profile P] [-o table|json] COMMAND`; both options may also stand behind the command.

**Output.** `-o json` prints exactly one JSON value on stdout: a list command prints an array, \
every other command an object. Everything else, live logs included, goes to stderr. An error is \
then one JSON object on the last line of stderr, in the form of the server's problems (`code`, \
`title`, `detail`, `hint`, `errors`). Times are RFC 3339 in UTC.

**Settings.** Every option can be set by the environment variable that stands beside it, and in \
`opsicle.toml`, which is looked for in the config folder (`$OPSICLE_CONFIG_DIR`, else \
`~/.config/opsicle`) and then in the working folder, which wins, but may not set `profile`, \
`login` or `setup`. Commands are tables, options are keys, unknown ones are errors:

```toml
[run]
follow = true
[workers.token]
ttl = 600
```

**Sessions.** `login` keeps a session per profile, readable by you alone. Programs use \
`OPSICLE_SERVER` and `OPSICLE_TOKEN` instead, and `OPSICLE_CA_FILE` or `OPSICLE_CA_FINGERPRINT` \
where the system does not know the server's CA.

**Prompts.** Only a terminal is asked anything. Elsewhere what is missing is an \
error that names the option.

**Exit codes.**

| code | meaning |
|---|---|
| 0 | succeeded |
| 1 | failed |
| 2 | wrong usage or invalid input |
| 3 | not allowed or not logged in, or a code of the authenticator app is needed |
| 4 | not found |
| 5 | conflict |
| 6 | server unreachable |
| 10 | the automation was rejected or expired |
| 11 | the automation was cancelled |
| 12 | the automation timed out |
| 13 | the automation's end is unknown |
| 130 | interrupted by Ctrl-C |
| 141 | the reader of the output went away |
"""


def render() -> str:
    """Return the reference as Markdown."""
    parts = [
        _HEAD + INTRODUCTION,
        "## Options before the command\n",
        options_everywhere(),
        *commands(),
    ]
    return "\n".join(part for part in parts if part)


def options_everywhere() -> str:
    """Return the table of the options that stand before the command."""
    with _program() as context:
        return _options(root, context)


def commands() -> Iterator[str]:
    """Yield the parts of what is said of each command, as Markdown."""
    with _program() as context:
        yield from _commands(root, context)


def _program() -> click.Context:
    return click.Context(root, info_name="opsicle", auto_envvar_prefix="OPSICLE")


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=context) as own:
            if isinstance(command, click.Group):
                yield from _commands(command, own)
            else:
                yield from _command(command, own)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(
        piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"
    )
    options = " [OPTIONS]" if _shown_options(command) else ""
    yield f"## `{context.command_path}`\n"
    yield f"`{' '.join(f'{context.command_path}{options} {usage}'.split())}`\n"
    yield _unwrapped(command.help or "")
    yield _options(command, context)
    yield f"```sh\n{EXAMPLES[context.command_path.partition(' ')[2]]}\n```\n"


def _unwrapped(text: str) -> str:
    """Return a help text with each of its paragraphs on one line."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs) + "\n"


def _options(command: click.Command, context: click.Context) -> str:
    options = _shown_options(command)
    if not options:
        return ""
    rows = [
        f"| {_spelling(option, context)} | {option.help} | {_variable(option, context)} |"
        for option in options
    ]
    return "\n".join(["| option | meaning | environment |", "|---|---|---|", *rows]) + "\n"


def _shown_options(command: click.Command) -> list[click.Option]:
    return [
        option
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
    ]


def _spelling(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(context).strip('[]')}"
    needed = ", required" if option.required else ""
    names = " / ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))
    return names.replace("|", "\\|") + needed


def _variable(option: click.Option, context: click.Context) -> str:
    if option.is_eager:
        return ""
    names = (
        [f"{context.auto_envvar_prefix}_{str(option.name).upper()}"]
        if option.allow_from_autoenv
        else []
    )
    if isinstance(option.envvar, str):
        names.append(option.envvar)
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.stdout.write(render())
