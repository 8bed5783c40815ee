"""`opsicle demo`: everything at once on this machine, thrown away afterwards."""

from __future__ import annotations

import secrets
import shlex
import signal
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import click

from opsicle.cli.demo_processes import DemoProcesses
from opsicle.cli.live_display import show_live
from opsicle.cli.output import emit
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import say, styled
from opsicle.client.api import Api
from opsicle.client.automations import trigger
from opsicle.domain.errors import OpsicleError
from opsicle.domain.pauses import kind_of
from opsicle.domain.template_parser import parse_document
from opsicle.domain.templates import Template, Value
from opsicle.kit import signals
from opsicle.kit.resources import examples, program
from opsicle.wire.document_api import PushTemplateRequest
from opsicle.wire.endpoints import accounts, automations, templates, workers
from opsicle.wire.fleet_api import CreateJoinTokenRequest
from opsicle.wire.user_api import Automation, LoginRequest, RunRequest, SetupRequest

if TYPE_CHECKING:
    from opsicle.client.saved_logins import SavedLogin

ORG = "demo"
EMAIL = "demo@example.com"

_FIRST = "hello"
_VALUES: dict[str, dict[str, Value]] = {"long-task": {"steps": 5}}
"""What the samples are run with where their defaults would keep a person waiting."""

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(cls=VerbCommand)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    metavar="N",
    help="Port of the page; a free one unless told.",
)
@click.option(
    "--wait/--no-wait", default=True, help="Go on until Ctrl-C, or end with the last run."
)
def demo(port: int, *, wait: bool) -> None:
    """Try it out: a server, a worker and sample templates on this machine only.

    Each sample is run once, live. Ctrl-C removes everything.
    """
    with ExitStack() as stack:
        processes = _processes(stack)
        stack.callback(say, "\nRemoving everything …")
        say(f"Starting a server and a worker in {processes.folder} …")
        try:
            session, password = _set_up(processes, port)
            ran = _run_samples(session, processes)
        except OpsicleError:
            processes.check()  # a call that fails because the demo is to end is no failure
            raise
        shown = {
            "url": session.server,
            "email": EMAIL,
            "password": password,
            "automations": ran,
        }
        fields = [("page", session.server), ("user", EMAIL), ("password", password)]
        say("")
        emit(shown, fields)
        if wait:
            _wait_for_ctrl_c(processes)


def _processes(stack: ExitStack) -> DemoProcesses:
    """Return the demo's processes, which Ctrl-C ends, and so do TERM and a closed terminal.

    Signals are heeded before there is anything that could be left behind.
    """
    processes = DemoProcesses()
    signals.restore_defaults()
    for number in _ENDING_SIGNALS:
        if number == signal.SIGHUP and signals.is_ignored(number):
            continue  # `nohup`: the terminal may go
        stack.callback(signal.signal, number, signal.signal(number, processes.interrupt))
    return stack.enter_context(processes)


def _set_up(processes: DemoProcesses, port: int) -> tuple[SavedLogin, str]:
    """Start the server and a worker.

    Return the admin's session, kept for the command line too, and password.
    """
    from opsicle.client.saved_logins import SavedLogin, SavedLogins

    server = processes.start_server(port)
    password = secrets.token_urlsafe(12)
    api = connect(SavedLogin(server=server.url))
    api.call(
        accounts.SET_UP,
        body=SetupRequest(token=server.setup_token, org=ORG, email=EMAIL, password=password),
    )
    token = api.call(accounts.LOGIN, body=LoginRequest(email=EMAIL, password=password)).token
    session = SavedLogin(server=server.url, org=ORG, email=EMAIL, token=token)
    SavedLogins(processes.config_folder).save("default", session)
    join_token = connect(session).call(
        workers.CREATE_JOIN_TOKEN, body=CreateJoinTokenRequest(ttl_seconds=60)
    )
    processes.start_worker(join_token.token)
    return session, password


def _run_samples(session: SavedLogin, processes: DemoProcesses) -> list[Automation]:
    """Push every sample, and run each that needs no answers, shown live."""
    api = connect(session)
    ran = []
    for name in _push_samples(api):
        processes.check()
        say(f"\n{styled('opsicle run', 'green')} {name} --follow")
        try:
            automation = trigger(
                api,
                automations.RUN,
                body=RunRequest(template=name, values=_VALUES.get(name, {})),
            )
            shown = show_live(api, automation, runs_on_server=False, check=processes.check)
            ran.append(shown)
        except OpsicleError as error:
            processes.check()
            say(f"{name}: {error.message}")
    return ran


def _push_samples(api: Api) -> list[str]:
    """Push the sample templates; return the names of those that run without any value given.

    What stands in folders belongs to something else: a trigger, a target, a cluster.
    """
    runnable = []
    for path in sorted(examples().glob("*.yaml")):
        source = path.read_text(encoding="utf-8")
        if not isinstance(parse_document(source.encode()), Template):
            continue

        pushed = api.call(templates.PUSH, body=PushTemplateRequest(source))
        template = api.call(templates.SHOW, pushed.name)
        needs_values = any(
            variable.is_required and variable.default is None for variable in template.variables
        )
        needs_engines = any(p.image or p.slurm or p.kubernetes for p in template.phases)
        asks_people = any(map(kind_of, template.phases))
        needs_labels = template.runs_on or template.runs_on_where
        needs_more = needs_values or needs_engines or needs_labels or asks_people
        if not needs_more:
            runnable.append(pushed.name)
    return sorted(runnable, key=lambda name: (name != _FIRST, name))


def _wait_for_ctrl_c(processes: DemoProcesses) -> None:
    """Wait until somebody ends the demo.

    Raises Internal if the server or the worker ends before.
    """
    say(
        "\nThe command line, in another terminal:  "
        f"export OPSICLE_CONFIG_DIR={processes.config_folder}"
    )
    say(f"and then, for example:  {shlex.join(program())} automations list")
    say("Ctrl-C removes everything.")
    with suppress(KeyboardInterrupt):
        processes.wait()
