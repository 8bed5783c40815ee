"""What the server refuses before it has told anybody where to come."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.server.reloading import merged
from opsicle.server.settings import ServerOptions

WRONG_URLS = [
    "https://host/ops",
    "https://host/ops/",
    "https://host//",
    "ops.example.com",
    "ops.example.com:8443",
    "ftp://host",
    "//host",
    "https:host",
    "https://host:99999",
    "https://host:0",
    "https://host:",
    "https://host?x=1",
    "https://host/?",
    "https://host#there",
    "https://host/#",
    "https://user@host",
    "https://user:word@host",
    "https://:443",
    "https://",
    "https://ho st",
    "https://host\n",
    "https://höst.example",
    "https://host\\path",
    "https://[::1",
    "https://[fe80::1%25eth0]",
    "http://ops.example.com",
    "https://-host",
    "https://host..example",
]


@pytest.mark.parametrize("url", WRONG_URLS)
@pytest.mark.parametrize("option", ["url", "worker_url"])
def test_a_url_under_which_nobody_could_come_is_refused_with_an_example(
    option: str, url: str
) -> None:
    options = ServerOptions(data_dir=Path("d"), **{option: url})

    with pytest.raises(InvalidInput) as refused:
        options.check()

    assert refused.value.message.startswith(f"--{option.replace('_', '-')} ")
    assert "https://ops.example.com" in refused.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "https://ops.example.com",
        "https://ops.example.com/",
        "https://ops.example.com:8443",
        "https://192.0.2.7:8443",
        "https://[2001:db8::7]:8443",
        "https://xn--hst-sna.example",
        "https://build_1.internal",
    ],
)
def test_a_url_with_a_host_and_perhaps_a_port_is_taken(url: str) -> None:
    ServerOptions(data_dir=Path("d"), url=url, worker_url=url).check()


def test_plain_http_is_for_this_machine_alone() -> None:
    ServerOptions(
        data_dir=Path("d"), url="http://127.0.0.1:8080", behind_proxy=True, listen="127.0.0.1:0"
    ).check()
    with pytest.raises(InvalidInput, match="plain http"):
        ServerOptions(data_dir=Path("d"), worker_url="http://127.0.0.1:8444").check()


@pytest.mark.parametrize("network", ["everything", "10.0.0.1/8", "", "10.0.0.0/33"])
def test_a_network_that_is_none_is_refused(network: str) -> None:
    with pytest.raises(InvalidInput, match="--allow-egress"):
        ServerOptions(data_dir=Path("d"), allow_egress=(network,)).check()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"forward_syslog": "logs.example.com"}, "no host and port of a collector"),
        ({"forward_syslog": ":6514"}, "no host and port of a collector"),
        ({"forward_syslog": "logs.example.com:0"}, "no host and port of a collector"),
        ({"forward_syslog": "unix:/dev/log"}, "no host and port of a collector"),
        ({"forward_syslog_ca": Path("ca.pem")}, "is for --forward-syslog"),
        ({"forward_syslog": "h:6514", "forward_syslog_ca": Path("absent.pem")}, "is no file"),
        ({"forward_file": Path("/absent/events.jsonl")}, "in a folder that is not there"),
    ],
)
def test_a_place_to_which_nothing_could_be_forwarded_is_refused(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        ServerOptions(data_dir=Path("d"), **options).check()


def test_what_is_read_anew_takes_effect_where_it_can_and_is_named_where_it_cannot() -> None:
    old = ServerOptions(data_dir=Path("d"), names=("one",))
    new = ServerOptions(
        data_dir=Path("d"), names=("two",), log_retention_days=3, allow_egress=("10.0.0.0/8",)
    )

    now, live, waiting = merged(old, new)

    assert (now.names, now.log_retention_days, now.allow_egress) == (("one",), 3, ("10.0.0.0/8",))
    assert (live, waiting) == (["log_retention_days", "allow_egress"], ["names"])
