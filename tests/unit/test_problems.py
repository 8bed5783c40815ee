"""An error arrives as what it was, and whatever else answers is understood as well as can be."""

from __future__ import annotations

import pytest

from opsicle.domain import errors
from opsicle.domain.errors import BY_CODE, OpsicleError, Problem, TooManyRequests
from opsicle.server.http.problems import reply_to
from opsicle.wire.problems import error_of, status_of


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=list(BY_CODE))
def test_an_error_that_crosses_the_wire_is_the_same_on_the_other_side(
    kind: type[OpsicleError],
) -> None:
    sent = kind("what happened", hint="Do this.", problems=(Problem("spec.x", "is wrong", 3),))
    answer = reply_to(sent)

    got = error_of(answer.status, answer.raw or b"")

    assert type(got) is kind
    assert (got.message, got.hint, got.problems) == (sent.message, sent.hint, sent.problems)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (None, 1), ("soon", 1), ("-3", 1), ("٣", 1), ("9" * 400, 1), ("", 1)],
)
def test_too_many_requests_say_when_to_come_back(header: str | None, seconds: int) -> None:
    answer = reply_to(TooManyRequests("slower", retry_after=7, hint="Wait."))

    got = error_of(answer.status, answer.raw or b"", header)

    assert isinstance(got, TooManyRequests)
    assert (got.message, got.hint, got.retry_after) == ("slower", "Wait.", seconds)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff",
        b"null",
        b"[]",
        b'{"detail": 5}',
        b'{"errors": [{}]}',
        b'{"x":' + b"[" * 200_000,
    ],
    ids=range(8),
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidInput),
        (401, errors.NotAuthenticated),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (405, errors.InvalidInput),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (429, errors.TooManyRequests),
        (500, errors.Internal),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
        (504, errors.Unavailable),
        (302, errors.Internal),
    ],
)
def test_an_answer_that_is_not_ours_is_understood_by_its_status(
    status: int, kind: type[OpsicleError], content: bytes
) -> None:
    got = error_of(status, content)

    assert type(got) is kind
    assert got.message == f"the server answered with HTTP status {status}"


def test_a_code_that_nobody_knows_leaves_the_message() -> None:
    got = error_of(409, b'{"code": "from_the_future", "title": "New", "detail": "what happened"}')

    assert type(got) is errors.Conflict
    assert got.message == "what happened"


def test_a_kind_of_error_without_a_status_goes_out_with_its_ancestors() -> None:
    assert status_of(errors.LeaseLost("gone")) == 409
    assert status_of(OpsicleError("?")) == 500
