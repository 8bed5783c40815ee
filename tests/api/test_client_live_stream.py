"""Following and triggering over a wire that breaks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.client.api import Api
from opsicle.client.automations import read_log, trigger
from opsicle.client.live_stream import ConnectionLost, LogPiece, StreamEvent, follow, parse_events
from opsicle.client.saved_logins import SavedLogin, SavedLogins, open_api
from opsicle.domain.errors import Internal, Unreachable
from opsicle.domain.templates import Value
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.user_api import Automation, RunRequest
from tests.cutting_proxy import CuttingProxy, Rule
from tests.product import Installation

TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: talk}
spec:
  variables: [{id: lines, type: number, default: 3}]
  template:
    phases:
      - name: count
        commands: ['seq "$OPSICLE_VAR_LINES"', 'echo to stderr >&2']
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("following")) as installation:
        installation.worker("w1")
        installation.push(TEMPLATE)
        yield installation


def session(installation: Installation) -> SavedLogin:
    found = SavedLogins(Path(installation.admin.environment["OPSICLE_CONFIG_DIR"])).find("default")
    assert found
    return found


def through(installation: Installation, rule: Rule) -> CuttingProxy:
    parts = urlsplit(installation.server.url)
    assert parts.hostname
    assert parts.port
    return CuttingProxy((parts.hostname, parts.port), rule)


def api_over(installation: Installation, proxy: CuttingProxy) -> Api:
    return open_api(
        msgspec.structs.replace(session(installation), server=f"https://127.0.0.1:{proxy.port}")
    )


def run(api: Api, values: dict[str, Value] | None = None) -> Automation:
    return trigger(api, endpoints.RUN, body=RunRequest(template="talk", values=values or {}))


def expected_log(lines: int) -> bytes:
    return b"".join(b"%d\n" % n for n in range(1, lines + 1)) + b"to stderr\n"


def test_a_log_arrives_whole_however_often_the_connection_breaks(
    installation: Installation,
) -> None:
    lines = 20_000
    with through(installation, lambda n: None if n > 12 else 20_000 + 1_000 * n) as proxy:
        api = api_over(installation, proxy)
        automation = run(api, values={"lines": lines})
        happened = list(follow(api, automation.id))
    log = b"".join(piece.data for piece in happened if isinstance(piece, LogPiece))
    assert proxy.cut >= 10
    assert log == expected_log(lines)
    assert any(isinstance(thing, ConnectionLost) for thing in happened)


def test_a_log_read_at_once_is_whole_though_the_connection_breaks(
    installation: Installation,
) -> None:
    lines = 20_000
    api = open_api(session(installation))
    automation = run(api, values={"lines": lines})
    for _ in follow(api, automation.id):
        pass
    with through(installation, lambda n: 60_000 if n < 3 else None) as proxy:
        log = b"".join(read_log(api_over(installation, proxy), automation.id))
    assert proxy.cut >= 1
    assert log == expected_log(lines)


def test_a_trigger_whose_answer_was_lost_is_sent_again_and_triggers_once(
    installation: Installation,
) -> None:
    api = open_api(session(installation))
    before = sum(1 for _ in api.pages(endpoints.LIST_AUTOMATIONS))
    with through(installation, lambda _: None) as proxy:
        api_over(installation, proxy).connection.send("GET", "/healthz")
        small = proxy.passed
    # The handshake and the beginning of an answer pass: the request has arrived, its answer never
    # does.
    with through(installation, lambda n: small + 100 if n < 2 else None) as proxy:
        automation = run(api_over(installation, proxy))
    assert proxy.cut == 2
    ids = [one.id for one in api.pages(endpoints.LIST_AUTOMATIONS)]
    assert len(ids) == before + 1
    assert automation.id in ids


def test_a_server_that_was_never_reached_is_given_up_at_once(installation: Installation) -> None:
    gone = msgspec.structs.replace(session(installation), server="https://127.0.0.1:1")
    with pytest.raises(Unreachable, match="refuses the connection"):
        list(follow(open_api(gone), "any"))


@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["log", "automation", "end"]), st.binary(min_size=1).map(bytes.hex)
        )
    ),
    cuts=st.lists(st.integers(0, 2_000)),
    newline=st.sampled_from([b"\n", b"\r\n"]),
)
def test_events_are_read_alike_wherever_the_stream_is_cut(
    events: list[tuple[str, str]], cuts: list[int], newline: bytes
) -> None:
    stream = b": comment" + newline + newline
    for name, data in events:
        stream += newline.join(
            [f"event: {name}".encode(), b"id: 1", f"data: {data}".encode(), b"", b""]
        )
    markers = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(markers)]
    assert list(parse_events(pieces)) == [StreamEvent(name, data.encode()) for name, data in events]


def test_an_event_that_never_ends_is_refused() -> None:
    with pytest.raises(Internal, match="too large"):
        list(parse_events(b"data: " + b"x" * 1_000_000 for _ in range(20)))
