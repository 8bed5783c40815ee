"""`opsicle secrets`: values that phases need and nobody may see."""

from __future__ import annotations

import codecs
from pathlib import Path

import click
import msgspec

from opsicle.cli.input_files import FolderName, read_start
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import ask, printable, say
from opsicle.domain.errors import InvalidInput
from opsicle.domain.secrets import MAX_BYTES, wrong_value
from opsicle.wire.endpoints import secrets as endpoints
from opsicle.wire.secret_api import CreateSecretRequest, Secret, UpdateSecretRequest

_BYTE_ORDER_MARK = "\ufeff"  # editors on Windows put it before UTF-8; no password begins with it

_COLUMNS = [
    Column("name", lambda secret: secret.name),
    Column("version", lambda secret: secret.version),
    Column("description", lambda secret: secret.description),
    Column("environment", lambda secret: secret.environment_variable),
    Column("updated", lambda secret: secret.updated_at),
    Column("updated by", lambda secret: secret.updated_by.email),
    Column("rotated", lambda secret: secret.rotated_at or "never"),
    Column("last used", lambda secret: secret.last_use.at if secret.last_use else "never"),
    Column("by", lambda secret: secret.last_use and secret.last_use.automation),
    Column("template", lambda secret: secret.last_use and secret.last_use.template),
]

value_file = click.option(
    "--value-file",
    metavar="F",
    help="File with the value, `-` for stdin; asked for unless given. "
    "One line break at its end is not part of it.",
)


@click.group(cls=NounGroup)
def secrets() -> None:
    """Manage secrets, which are values that phases need and nobody is ever shown again."""


@secrets.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the org's secrets, without their values."""
    emit_list(connect().pages(endpoints.LIST_SECRETS), _COLUMNS, limit=limit)


@secrets.command()
@click.argument("secret")
def show(secret: str) -> None:
    """Show what is known of a secret, but not its value."""
    _emit(connect().call(endpoints.SHOW, secret))


@secrets.command()
@click.argument("secret")
def uses(secret: str) -> None:
    """Show which templates and targets name a secret, and so would miss it."""
    found = connect().call(endpoints.SHOW_USES, secret)
    emit(
        found,
        [
            ("templates", ", ".join(found.templates)),
            ("targets", ", ".join(found.targets)),
            ("more that you may not see", found.hidden),
            ("one of the templates began last", found.last_run_at),
        ],
    )


@secrets.command()
@click.argument("secret")
@click.option("--description", metavar="TEXT", default="", help="What it is for.")
@value_file
@totp_option
def create(secret: str, description: str, value_file: str | None, totp: str | None) -> None:
    """Keep a new secret. A template's phases name it under `secrets`."""
    request = CreateSecretRequest(
        name=secret, value=read_value(value_file), description=description
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request)))


@secrets.command()
@click.argument("secret")
@click.option("--description", metavar="TEXT", help="What it is for from now on.")
@value_file
@totp_option
def update(secret: str, description: str | None, value_file: str | None, totp: str | None) -> None:
    """Give a secret its next value; the one before is gone."""
    request = UpdateSecretRequest(
        value=read_value(value_file),
        description=msgspec.UNSET if description is None else description,
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.UPDATE, secret, body=request)))


@secrets.command()
@click.argument("secret")
@totp_option
def delete(secret: str, totp: str | None) -> None:
    """Remove a secret; what waits and needs it will fail."""
    with_step_up(totp, lambda api: api.call(endpoints.DELETE, secret))
    emit({"secret": secret, "is_deleted": True}, [("deleted", secret)])


@secrets.command("rotate-master-key")
@click.option(
    "--data-dir", metavar="D", type=FolderName(), required=True, help="The server's data folder."
)
@click.option(
    "--master-key-file",
    metavar="FILE",
    type=Path,
    envvar=["OPSICLE_SECRETS_ROTATE_MASTER_KEY_MASTER_KEY_FILE", "OPSICLE_MASTER_KEY_FILE"],
    help="Where the key is, if not in the data folder; the new one takes its place.",
)
def rotate_master_key(data_dir: Path, master_key_file: Path | None) -> None:
    """Replace the master key, on the server's machine and while the server is stopped."""
    from opsicle.server.rotation import rotate_master_key

    count = rotate_master_key(data_dir, master_key_file)
    emit({"rewrapped": count}, [("values under the new key", count)])


def read_value(path: str | None) -> str:
    """Return a secret's value from a file (`-`: stdin), or asked for twice without being shown.

    Raises InvalidInput.
    """
    if path is None:
        return ask("Value", "--value-file", is_hidden=True, is_new=True)
    return read_value_file(path)


def read_value_file(path: str) -> str:
    """Return the value in a file (`-`: stdin). Raises InvalidInput, which never quotes it."""
    try:
        content = read_start(path, MAX_BYTES + 6)  # with a byte order mark and an end of line
        value = content.decode().removesuffix("\n").removesuffix("\r")
        if value.startswith(_BYTE_ORDER_MARK):
            value = value.removeprefix(_BYTE_ORDER_MARK)
            say(
                printable(
                    f"the byte order mark at the beginning of {path} is not part of the value"
                )
            )
    except OSError as error:
        raise InvalidInput(f"the value file cannot be read: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        hint = "Encode it first, as base64 for example."
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            hint = "It is UTF-16, as some programs for Windows write it: save it as UTF-8."
        raise InvalidInput("the value file is not UTF-8 text", hint=hint) from error
    if problem := wrong_value(value):
        raise InvalidInput(problem)
    return value


def _emit(secret: Secret) -> None:
    emit(secret, [(column.heading, column.value(secret)) for column in _COLUMNS])
