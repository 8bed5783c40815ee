"""Of a secret that is a file, what nobody could guess is masked, and ordinary lines are not."""

from __future__ import annotations

import json
import random
import string

import pytest

from opsicle.worker.masking import REPLACEMENT, Mask, Masking
from opsicle.worker.randomness import looks_random
from opsicle.worker.secret_contents import contents

RANDOM = random.Random(20261126)


def letters(alphabet: str = string.ascii_letters, count: int = 20) -> str:
    return "".join(RANDOM.choice(alphabet) for _ in range(count))


def shown(text: str, *secrets: str) -> str:
    mask = Mask(Masking(secrets))
    return (mask.feed(text.encode()) + mask.finish()).decode()


@pytest.mark.parametrize(
    "alphabet", [string.ascii_lowercase, string.ascii_letters, string.hexdigits]
)
def test_ordinary_lines_beside_a_secret_are_readable_and_its_values_are_not(alphabet: str) -> None:
    for _ in range(50):
        token, key = letters(alphabet), letters(alphabet)
        kubeconfig = f"apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  token: {token}\n"
        account = f'{{\n  "type": "service",\n  "private_key": "{key}"\n}}\n'
        ordinary = 'apiVersion: v1\nkind: Config\nusers:\n- name: admin\n"type": "service",\n'
        assert shown(ordinary, kubeconfig, account) == ordinary
        printed = f"{token} and {key}\n  token: {token}\n"
        assert shown(printed, kubeconfig, account) == "*** and ***\n  token: ***\n"


def test_a_random_value_is_masked_also_where_its_key_does_not_tell() -> None:
    value = letters(string.ascii_lowercase)

    assert shown(f"is {value}", f"data:\n  blob: {value}\n  name: ordinary-thing\n") == "is ***"
    assert (
        shown("ordinary-thing", f"data:\n  blob: {value}\n  name: ordinary-thing\n")
        == "ordinary-thing"
    )


@pytest.mark.parametrize(
    ("secret", "value"),
    [
        ("DB_HOST=db.internal\nDB_PASSWORD='summer holiday'\n", "summer holiday"),
        ("# comment\nexport API_TOKEN=butterfly\nexport MODE=ordinary\n", "butterfly"),
        ("[default]\naws_secret = plainwords\nregion = eu-west-1\n", "plainwords"),
        ('{"user": "ordinary", "dbPassword": "butterfly"}', "butterfly"),
        ('[{"name": "a", "pin": 123456}]', "123456"),
        ("Server=db;User Id=ordinary;Password=butterfly;", "butterfly"),
        ("postgres://ordinary:butterfly@db.internal/orders", "butterfly"),
        ("a: 1\nurl: https://bob:butterfly@example.com/\n", "butterfly"),
        ("auth: Bearer butterfly\nmode: ordinary\n", "butterfly"),
        ("- butterfly\n- caterpillar\n", "caterpillar"),
    ],
)
def test_the_values_of_a_secret_that_reads_as_a_document_are_masked(
    secret: str, value: str
) -> None:
    assert shown(f"<{value}>", secret) == "<***>"
    assert shown(json.dumps({"is": value}), secret) == '{"is": "***"}'
    for word in ("ordinary", "eu-west-1", "db.internal", "example.com"):
        assert shown(word, secret) == word


def test_a_key_inside_a_document_is_masked_line_by_line() -> None:
    lines = [letters(count=64) for _ in range(3)]
    key = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END PRIVATE KEY-----\n"

    account = json.dumps({"type": "service_account", "private_key": key}, indent=2)

    assert shown(f"it has {lines[1]}", account) == "it has ***"
    assert shown("-----BEGIN PRIVATE KEY-----", account) == "-----BEGIN PRIVATE KEY-----"
    assert REPLACEMENT.decode() in shown(key, account)
    assert shown(json.dumps(key), account) == '"***\\n"'


def test_every_line_of_another_text_is_masked_save_frames() -> None:
    text = "correct horse\nbattery staple\n--- frame ---\nanother line here\n"
    assert contents(text).lines == ["correct horse", "battery staple", "another line here"]
    assert shown("it is: battery staple!", text) == "it is: ***!"


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a, *a]\nx",
        "a: &x [1]\nb: [*x, *x]\n",
        "{" * 500 + "\n",
        "[" * 100_000,
        "a: b: c\nd",
        "\n\n",
    ],
)
def test_what_hardly_reads_as_a_document_does_no_harm(text: str) -> None:
    assert isinstance(contents(text).values, list)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1",
        "clientCertificateData",
        "kubernetes-admin",
        "us-east-1",
        "x86_64-linux-gnu",
        "10.0.0.1:6443",
        "2026-11-26T10:00:00Z",
        "LoadBalancer",
        "googleapis.com/oauth2/v1/certs",
        "PostgreSQL 16.2",
        "administrators",
    ],
)
def test_words_versions_and_addresses_do_not_look_random(text: str) -> None:
    assert not looks_random(text)


@pytest.mark.parametrize(
    "alphabet",
    [string.ascii_lowercase, string.ascii_uppercase, string.ascii_letters, "0123456789abcdef"],
)
def test_random_letters_look_random(alphabet: str) -> None:
    missed = sum(not looks_random(letters(alphabet)) for _ in range(2000))
    assert missed <= 5
