"""Where the server listens, and by which names it is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.server.addresses import Addresses
from opsicle.server.settings import Address, ServerOptions, parse_address


@pytest.mark.parametrize(
    ("text", "address", "is_private"),
    [
        ("127.0.0.1:8443", Address("127.0.0.1", 8443), True),
        ("localhost:0", Address("localhost", 0), True),
        ("[::1]:80", Address("::1", 80), True),
        ("0.0.0.0:8443", Address("0.0.0.0", 8443), False),
        (":8443", Address("0.0.0.0", 8443), False),
        ("[::]:8443", Address("::", 8443), False),
        ("ops.example.com:443", Address("ops.example.com", 443), False),
        ("unix:/run/opsicle.sock", Address(path="/run/opsicle.sock"), True),
    ],
)
def test_an_address_is_host_and_port_or_a_socket(
    text: str, address: Address, is_private: bool
) -> None:
    assert parse_address(text) == address
    assert address.is_private is is_private


@pytest.mark.parametrize(
    "text", ["", "8443", "localhost", "a:b", "a:-1", "a:65536", "a:٣", "unix:relative", "unix:"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_address(text)


def addresses(**options: object) -> Addresses:
    return Addresses(ServerOptions(Path("d"), **options), "box7")  # type: ignore[arg-type]


def test_the_url_has_the_address_listened_on_and_the_port_that_was_got() -> None:
    found = addresses(listen="10.1.2.3:0", worker_listen="[fd00::1]:0")
    assert found.url(4711) == "https://10.1.2.3:4711"
    assert found.worker_url(4712) == "https://[fd00::1]:4712"


def test_where_every_address_is_listened_on_the_url_has_the_machines_name() -> None:
    found = addresses(listen="0.0.0.0:0", worker_listen="[::]:0")
    assert found.url(1) == "https://box7:1"
    assert found.worker_url(2) == "https://box7:2"


def test_the_first_given_name_stands_in_the_urls_and_all_in_the_certificate() -> None:
    found = addresses(
        listen="10.1.2.3:0", worker_listen="0.0.0.0:0", names=("ops.example.com", "ops")
    )

    assert found.url(1) == "https://ops.example.com:1"
    assert found.worker_url(2) == "https://ops.example.com:2"
    assert set(found.certificate_names) == {"ops.example.com", "ops", "box7", "10.1.2.3"}


def test_given_urls_are_taken_as_they_are() -> None:
    found = addresses(
        url="https://ops.example.com/", worker_url="https://ops.example.com:9000", behind_proxy=True
    )

    assert found.url(1) == "https://ops.example.com"
    assert found.worker_url(2) == "https://ops.example.com:9000"
