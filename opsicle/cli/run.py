"""`opsicle run`: a template of the server, or a file right here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click
import msgspec

from opsicle.cli.automations import follow_option, show_new
from opsicle.cli.given_files import LocalFiles, upload_id, with_files
from opsicle.cli.given_values import GivenValues, Lines, var_file_option, var_or_file_option
from opsicle.cli.input_files import FileName
from opsicle.cli.invocation import current
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import print_json
from opsicle.cli.results import show_results
from opsicle.cli.root import VerbCommand, left_out
from opsicle.cli.run_previews import show_preview
from opsicle.cli.secrets import read_value_file
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import has_person, say
from opsicle.cli.times import future_time
from opsicle.cli.versioned import fetch, version_option
from opsicle.client.api import Api
from opsicle.client.automations import trigger
from opsicle.domain.automations import AutomationState, JobState
from opsicle.domain.errors import InvalidInput, OpsicleError
from opsicle.domain.names import TEMPLATE_NAME
from opsicle.domain.problems import quoted
from opsicle.domain.templates import Value, Variable
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.endpoints import templates
from opsicle.wire.user_api import RunRequest

_FILE_ENDINGS = (".yaml", ".yml", ".json")

_ONLY_ON_SERVER = {
    "--version": "a file has none.",
    "--totp": "a file asks for no code.",
    "--worker": "a file runs here.",
    "--at": "a file runs now.",
    "--dry-run": "`opsicle templates validate` checks a file.",
}
"""Options that make no sense for a file, and why."""


@click.command(cls=VerbCommand)
@click.argument("what", metavar="NAME|FILE", type=FileName())
@var_or_file_option
@var_file_option
@follow_option
@version_option
@click.option(
    "--secret-file",
    metavar="NAME=FILE",
    multiple=True,
    type=Lines(),
    help="For a FILE: the value of a secret that its phases name, from a file (`-`: stdin). "
    "May be repeated.",
)
@click.option(
    "--worker",
    metavar="NAME",
    default="",
    help="The only worker that may take it, of those that fit.",
)
@click.option(
    "--at",
    metavar="TIME",
    help="Begin then at the earliest: 2026-03-01T22:00:00Z, 2026-03-01 22:00 (local), 2h.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what NAME would do with these values: where, and who must agree. Run nothing.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why; it is shown with the automation.")
@totp_option
def run(  # noqa: PLR0913 - each is an option
    what: str,
    var: Sequence[str],
    var_file: Path | None,
    secret_file: Sequence[str],
    *,
    follow: bool,
    version: int | None,
    reason: str,
    worker: str,
    at: str | None,
    dry_run: bool,
    totp: str | None,
) -> AutomationState | JobState | OpsicleError | None:
    """Run a template.

    NAME is a template on the server. FILE, a path such as `./restart.yaml`, is run right here
    without any server.
    """
    values = GivenValues(var, var_file)

    if is_file(what):
        _refuse_server_options(
            version is not None, totp is not None, bool(worker), bool(at), dry_run
        )
        return _run_here(Path(what), values, secret_file)

    if secret_file:
        raise click.UsageError(
            "--secret-file is for files; the server has secrets of its own, see `opsicle secrets`."
        )
    start_at = future_time(at, "--at")
    request = RunRequest(
        template=what, version=version, reason=reason, worker=worker, start_at=start_at
    )
    request = _with_values(connect(), request, values)
    if dry_run:
        return show_preview(request)
    automation = with_step_up(totp, lambda api: trigger(api, endpoints.RUN, body=request))
    return show_new(automation, follow=follow)


def _refuse_server_options(*are_given: bool) -> None:
    """Raise UsageError if any of `_ONLY_ON_SERVER`, told in its order, is given."""
    for (option, reason), is_given in zip(_ONLY_ON_SERVER.items(), are_given, strict=True):
        if is_given:
            raise click.UsageError(f"{option} is for templates on the server; {reason}")


def is_file(what: str) -> bool:
    """Return whether the argument means a file.

    It looks like one, or it is one and could be no template's name.
    """
    if what == "-" or "/" in what or what.lower().endswith(_FILE_ENDINGS):
        return True
    return not TEMPLATE_NAME.fullmatch(what) and Path(what).is_file()


def _run_here(path: Path, given: GivenValues, secret_files: Sequence[str]) -> JobState:
    if find_spec("opsicle.worker") is None:
        raise left_out("what runs a file right here")
    from opsicle.cli.local_run import run_here
    from opsicle.cli.local_work import prepare

    files = LocalFiles()

    def read_values(variables: Sequence[Variable]) -> dict[str, Value]:
        return with_files(variables, given.read(variables), files.take)

    works, values = prepare(path, read_values, lambda names: _given_secrets(names, secret_files))
    result = run_here(works, values, files.read, is_stdout_taken=current().wants_json)
    if current().wants_json:
        print_json(result)
    else:
        show_results(result.outputs, result.summary, say)
    return result.state


def _given_secrets(names: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    """Return the secrets that a file's phases name, from `--secret-file name=file`.

    Raises InvalidInput, UsageError.
    """
    secrets: dict[str, str] = {}
    for text in given:
        name, separator, file = text.partition("=")
        if not separator or name not in names:
            raise InvalidInput(
                f"--secret-file takes name=file for a secret that a phase names, not {quoted(text)}"
            )
        secrets[name] = read_value_file(file)
    missing = [name for name in names if name not in secrets]
    if missing:
        raise InvalidInput(
            f"the file's phases need secrets that were not given: {', '.join(missing)}",
            hint=f"Give each with --secret-file {missing[0]}=FILE. "
            "The server's own secrets stay on the server.",
        )
    return secrets


def _with_values(api: Api, request: RunRequest, given: GivenValues) -> RunRequest:
    if not (given or has_person()):  # the server checks them once more anyway
        return request
    template = fetch(api, templates.SHOW, templates.SHOW_VERSION, request.template, request.version)
    values = given.read(template.variables)
    values = with_files(template.variables, values, lambda path: upload_id(api, path))
    return msgspec.structs.replace(request, values=values)
