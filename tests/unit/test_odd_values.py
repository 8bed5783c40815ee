"""Odd but innocent input of values and names: the expected result, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.template_parser import parse_document
from opsicle.domain.variables import check_values
from opsicle.wire.user_api import RunRequest
from tests.product import User

TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec:
  variables: [{id: who, default: nobody}, {id: count, type: number}]
  template:
    phases:
      - name: p
        secrets: [key]
        commands: ['printf "%s" "$OPSICLE_SECRET_KEY" | od -An -c', 'echo "$OPSICLE_VAR_WHO"']
"""


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "user", "a@example.com")


@pytest.fixture
def template(tmp_path: Path) -> str:
    path = tmp_path / "t.yaml"
    path.write_text(TEMPLATE.replace("NAME", "t"))
    return str(path)


def test_a_byte_order_mark_is_no_part_of_a_secret(
    user: User, template: str, tmp_path: Path
) -> None:
    value = tmp_path / "value"
    value.write_bytes(b"\xef\xbb\xbfvalue!\r\n")

    ran = user.attempt("run", template, "--secret-file", f"key={value}")

    assert ran.returncode == 0, ran.stderr
    assert "v   a   l   u   e   !" in ran.stdout
    assert "357" not in ran.stdout
    assert f"the byte order mark at the beginning of {value} is not part of the value" in ran.stderr


def test_a_secret_in_utf_16_is_refused_with_what_to_do(
    user: User, template: str, tmp_path: Path
) -> None:
    value = tmp_path / "value"
    value.write_bytes("a secret value".encode("utf-16"))

    ran = user.attempt("run", template, "--secret-file", f"key={value}")

    assert ran.returncode == 2
    assert "save it as UTF-8" in ran.stderr


def test_null_for_an_optional_value_is_as_if_it_were_not_given(
    user: User, template: str, tmp_path: Path
) -> None:
    request = msgspec.json.decode(
        b'{"template": "t", "values": {"who": null, "count": null}}', type=RunRequest
    )
    variables = parse_document(TEMPLATE.replace("NAME", "t").encode()).variables  # type: ignore[union-attr]

    assert check_values(variables, request.values) == {"who": "nobody"}

    secret, values = tmp_path / "secret", tmp_path / "values"
    secret.write_text("value!")
    values.write_text('{"who": null, "count": null}')

    ran = user.attempt("run", template, "--secret-file", f"key={secret}", "--var-file", str(values))

    assert ran.stdout.splitlines()[-1] == "nobody"


@pytest.mark.parametrize("name", ["--help", "-v", "-"])
def test_no_template_and_no_secret_is_called_like_an_option(name: str) -> None:
    for source in (
        TEMPLATE.replace("NAME", name),
        TEMPLATE.replace("NAME", "t").replace("[key]", f"['{name}']"),
    ):
        with pytest.raises(InvalidInput) as refused:
            parse_document(source.encode())
        assert "beginning with a letter or digit" in refused.value.problems[0].message


def test_an_argument_that_is_not_utf_8_is_named(user: User, template: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("value!")

    ran = user.attempt("run", template, "--secret-file", f"key={secret}", "--var", "who=\udcff")

    assert ran.returncode == 2
    assert "internal error" not in ran.stderr
    assert "who" in ran.stderr
