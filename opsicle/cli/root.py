"""The tree of commands.

A command's module is imported when that command is used, or when help lists it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from opsicle.cli.invocation import Invocation

if TYPE_CHECKING:
    from opsicle.domain.errors import OpsicleError

GROUPS = {
    "Try it and log in": {
        "demo": "demo",
        "setup": "accounts",
        "accept": "invitations",
        "login": "accounts",
        "logout": "accounts",
        "whoami": "accounts",
        "reset": "accounts",
        "sessions": "logins",
        "totp": "totp",
    },
    "Run things": {
        "templates": "templates",
        "run": "run",
        "automations": "automations",
        "logs": "logs",
        "files": "files",
        "artifacts": "artifacts",
        "approvals": "approvals",
        "schedules": "schedules",
        "triggers": "triggers",
    },
    "Say who may do what": {
        "users": "users",
        "roles": "roles",
        "groups": "groups",
        "can": "roles",
        "service-accounts": "service_accounts",
        "tokens": "tokens",
        "policies": "policies",
        "orgs": "orgs",
    },
    "Connect things": {
        "workers": "workers",
        "targets": "targets",
        "secrets": "secrets",
        "channels": "channels",
    },
    "Operate": {
        "server": "server",
        "worker": "worker",
        "service": "service",
        "backup": "backups",
        "restore": "backups",
        "doctor": "doctor",
        "upgrade": "doctor",
        "completion": "completion",
        "man": "manual",
        "recover": "recover",
        "announcements": "announcements",
        "audit": "audit",
    },
}
"""In groups, each command and the module of `opsicle.cli` that has it, in the order in which help
lists them."""

COMMANDS = {name: module for group in GROUPS.values() for name, module in group.items()}

_NEEDS = {
    "demo": "worker",
    "server": "server",
    "worker": "worker",
    "service": "server",
    "backup": "server",
    "restore": "server",
    "doctor": "server",
    "upgrade": "server",
    "recover": "server",
}
"""What a command is for, or done by, where the file for macOS and Windows has only the command
line."""

OUTPUTS = ("table", "json")
PROFILE_HELP = "Which login to use; `default` unless told."
OUTPUT_HELP = "How results are printed; `table` unless told."


class Root(click.Group):
    """The program itself: finds its commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one meets them."""
        return [name for name in COMMANDS if _is_here(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, its module imported now."""
        if cmd_name not in COMMANDS:
            return None
        if not _is_here(cmd_name):
            raise left_out(f"opsicle {cmd_name}")
        command = getattr(
            import_module(f"opsicle.cli.{COMMANDS[cmd_name]}"), cmd_name.replace("-", "_")
        )
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that does not exist, name the nearest."""
        if not (args and args[0] in COMMANDS):
            _refuse_unknown(ctx, args, self)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups, each with its whole first sentence."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                _write_summaries(self, ctx, formatter, [*filter(_is_here, names)])


def _is_here(name: str) -> bool:
    """Return whether this program can do what the command is for."""
    return name not in _NEEDS or find_spec(f"opsicle.{_NEEDS[name]}") is not None


def left_out(what: str) -> OpsicleError:
    """Return the error for what the command line alone cannot do."""
    from opsicle.domain.errors import UsageError

    return UsageError(
        f"{what} is not in this file, which is the command line alone",
        hint="Servers and workers run on Linux: take the release's file for that.",
    )


class VerbCommand(click.Command):
    """A command that takes `--profile` and `-o` behind its name too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _everywhere()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those that every command has."""
        super().format_options(ctx, formatter)
        _write_everywhere(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write an example."""
        from opsicle.cli.examples import EXAMPLES

        if example := EXAMPLES.get(ctx.command_path.partition(" ")[2]):
            with formatter.section("Example"):
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class NounGroup(click.Group):
    """A noun with its verbs."""

    command_class = VerbCommand

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _everywhere()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the source."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; for one that does not exist, name the nearest."""
        _refuse_unknown(ctx, args, self)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help, the options that every command has, and the verbs."""
        click.Command.format_options(self, ctx, formatter)
        _write_everywhere(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs, each with its whole first sentence."""
        with formatter.section("Commands"):
            _write_summaries(self, ctx, formatter, self.list_commands(ctx))


_MAKING = frozenset({"create", "add", "new", "update", "edit", "set"})
"""Verbs with which people look for `push`."""


def _refuse_unknown(ctx: click.Context, args: list[str], group: click.Group) -> None:
    known = group.list_commands(ctx)
    if args and args[0] not in known and not args[0].startswith("-"):
        from opsicle.domain.problems import did_you_mean, quoted

        noun = ctx.command_path.split()[1:]
        hint = did_you_mean(args[0], known)
        if "push" in known and args[0] in _MAKING:
            push = " ".join(["opsicle", *noun, "push"])
            hint = f"; `{push} FILE` makes and changes what it names"
        ctx.fail(f"there is no command {quoted(' '.join([*noun, args[0]]))}{hint}")


def _write_summaries(
    group: click.Group, ctx: click.Context, formatter: click.HelpFormatter, names: list[str]
) -> None:
    commands = [(name, group.get_command(ctx, name)) for name in names]
    formatter.write_dl(
        [(name, _summary(command)) for name, command in commands if command and not command.hidden]
    )


def _summary(command: click.Command) -> str:
    """Return the first paragraph of its help, not cut off."""
    return " ".join((command.help or "").partition("\n\n")[0].split())


def _everywhere() -> list[click.Parameter]:
    """Return the options that stand before the command, for behind it.

    They are hidden from what lists a command's own options.
    """
    common: dict[str, Any] = {"expose_value": False, "hidden": True, "allow_from_autoenv": False}
    return [
        click.Option(
            ["--profile"], metavar="P", help=PROFILE_HELP, callback=_set_profile, **common
        ),
        click.Option(
            ["-o", "--output"],
            type=click.Choice(OUTPUTS),
            help=OUTPUT_HELP,
            callback=_set_output,
            **common,
        ),
    ]


def _write_everywhere(ctx: click.Context, formatter: click.HelpFormatter) -> None:
    with formatter.section("Options of every command"):
        rows = [("--profile P", PROFILE_HELP), (f"-o, --output [{'|'.join(OUTPUTS)}]", OUTPUT_HELP)]
        formatter.write_dl(rows)


def _set_profile(ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
    invocation = ctx.find_root().obj
    if value is not None and isinstance(invocation, Invocation):
        invocation.profile = value


def _set_output(ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
    invocation = ctx.find_root().obj
    if value is not None and isinstance(invocation, Invocation):
        invocation.output = value


def _show_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from opsicle.version import __version__

        click.echo(f"opsicle {__version__}")
        ctx.exit()


@click.command(
    cls=Root,
    context_settings={
        "auto_envvar_prefix": "OPSICLE",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.option("--profile", metavar="P", default="default", help=PROFILE_HELP)
@click.option(
    "-o",
    "--output",
    type=click.Choice(OUTPUTS),
    default="table",
    # Not OPSICLE_OUTPUT: in a phase of a job that is the file for its outputs, and a phase may call
    # this program.
    envvar="OPSICLE_FORMAT",
    allow_from_autoenv=False,
    help=OUTPUT_HELP,
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    allow_from_autoenv=False,
    callback=_show_version,
    help="Print the version.",
)
@click.pass_obj
def root(invocation: Invocation, profile: str, output: str) -> None:
    """Runbook automation in one file.

    Templates say what is done; automations are runs of them; workers carry them out where the
    target lives.
    """
    invocation.profile = profile
    invocation.output = output
