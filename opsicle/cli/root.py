"""The tree of commands. A command's module is imported when that command is used, or when help lists it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from opsicle.cli.invocation import Invocation

COMMANDS = {
    "demo": "demo",
    "server": "server",
    "setup": "accounts",
    "reset": "accounts",
    "accept": "invitations",
    "login": "accounts",
    "logout": "accounts",
    "whoami": "accounts",
    "worker": "worker",
    "workers": "workers",
    "templates": "templates",
    "run": "run",
    "automations": "automations",
    "logs": "logs",
    "orgs": "orgs",
    "approvals": "approvals",
    "users": "users",
    "roles": "roles",
    "groups": "groups",
    "can": "roles",
    "service-accounts": "service_accounts",
    "tokens": "tokens",
    "sessions": "logins",
    "totp": "totp",
    "secrets": "secrets",
    "policies": "policies",
    "channels": "channels",
    "audit": "audit",
    "service": "service",
    "recover": "recover",
}
"""Each command and the module of `opsicle.cli` that has it, in the order in which help lists them."""

OUTPUTS = ("table", "json")


class Root(click.Group):
    """The program itself: finds its commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, its module imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"opsicle.cli.{COMMANDS[cmd_name]}"), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that does not exist, name the nearest."""
        if args and args[0] not in COMMANDS:
            from opsicle.domain.problems import nearest, quoted

            ctx.fail(f"there is no command {quoted(args[0])}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command that takes `-o` behind its name too, where people tend to type it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["-o", "--output"],
                type=click.Choice(OUTPUTS),
                expose_value=False,
                hidden=True,
                callback=_set_output,
            )
        )


class Noun(click.Group):
    """A noun with its verbs."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the source."""
        return list(self.commands)


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
    context_settings={"auto_envvar_prefix": "OPSICLE", "help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--profile", metavar="P", default="default", help="Which login to use; `default` unless told.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(OUTPUTS),
    default="table",
    # Not OPSICLE_OUTPUT: in a phase of a job that is the file for its outputs, and a phase may call this program.
    envvar="OPSICLE_FORMAT",
    allow_from_autoenv=False,
    help="How results are printed; `table` unless told.",
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

    Templates say what is done; automations are runs of them; workers carry them out where the target lives.
    """
    invocation.profile = profile
    invocation.output = output
