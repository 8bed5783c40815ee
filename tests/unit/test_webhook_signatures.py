"""Each kind of sender is known by what its documentation says that it sends, and by nothing else.

The signatures of GitHub and of Standard Webhooks are the examples of their own documentation.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from opsicle.domain.triggers import VerifyMethod
from opsicle.security.webhook_signatures import Proof, SignedCall, new_secret, verify, why_refused
from tests.services.calling import base64_hmac, hex_hmac

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT = str(int(NOW.timestamp()))
BODY = b'{"status": "firing"}'
SECRET = new_secret()


def proof(
    method: VerifyMethod,
    headers: dict[str, str],
    *,
    secret: str = SECRET,
    body: bytes = BODY,
    now: datetime = NOW,
) -> Proof | None:
    return verify(method, secret, signed_call(headers, body, now))


def signed_call(headers: dict[str, str], body: bytes = BODY, now: datetime = NOW) -> SignedCall:
    known = {name.lower(): value for name, value in headers.items()}
    return SignedCall(lambda name: known.get(name.lower(), ""), body, now)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"alertmanager:{password}".encode()).decode()


GOOD = [
    (
        VerifyMethod.HMAC,
        {"Opsicle-Signature": f"t={AT},v1={hex_hmac(SECRET, f'{AT}.'.encode() + BODY)}"},
    ),
    (VerifyMethod.BEARER, {"Authorization": f"Bearer {SECRET}"}),
    (VerifyMethod.GITHUB, {"X-Hub-Signature-256": f"sha256={hex_hmac(SECRET, BODY)}"}),
    (VerifyMethod.GITLAB, {"X-Gitlab-Token": SECRET}),
    (
        VerifyMethod.GITLAB,
        {
            "webhook-id": "m1",
            "webhook-timestamp": AT,
            "webhook-signature": f"v2,x v1,{base64_hmac(SECRET, f'm1.{AT}.'.encode() + BODY)}",
        },
    ),
    (VerifyMethod.GRAFANA, {"X-Grafana-Alerting-Signature": hex_hmac(SECRET, BODY)}),
    (
        VerifyMethod.GRAFANA,
        {
            "X-Grafana-Alerting-Timestamp": AT,
            "X-Grafana-Alerting-Signature": hex_hmac(SECRET, f"{AT}:".encode() + BODY),
        },
    ),
    (VerifyMethod.ALERTMANAGER, {"Authorization": f"Bearer {SECRET}"}),
    (VerifyMethod.ALERTMANAGER, {"Authorization": basic(SECRET)}),
]

IDS = [f"{method}-{len(headers)}-{index}" for index, (method, headers) in enumerate(GOOD)]


@pytest.mark.parametrize(("method", "headers"), GOOD, ids=IDS)
def test_what_knows_the_secret_is_taken_and_what_does_not_is_not(
    method: VerifyMethod, headers: dict[str, str]
) -> None:
    assert proof(method, headers)
    assert proof(method, headers, secret=new_secret()) is None
    for name, value in headers.items():
        for wrong in ("", value + "é", value[:-1]):
            assert proof(method, {**headers, name: wrong}) is None, (name, wrong)
    for other in VerifyMethod:
        is_same = {method, other} == {VerifyMethod.BEARER, VerifyMethod.ALERTMANAGER}
        if other is not method and not (is_same and "Bearer" in headers["Authorization"]):
            assert proof(other, headers) is None, other


SIGNED = [(method, headers) for method, headers in GOOD if "Signature" in str(headers).title()]
TIMED = [(method, headers) for method, headers in SIGNED if AT in str(headers)]


def test_there_are_signed_and_timed_ones() -> None:
    assert (len(SIGNED), len(TIMED)) == (5, 3)


@pytest.mark.parametrize(("method", "headers"), SIGNED)
def test_a_signature_is_of_one_body_and_known_again(
    method: VerifyMethod, headers: dict[str, str]
) -> None:
    first = proof(method, headers)
    assert first
    assert first.identity
    assert first == proof(method, headers)
    assert proof(method, headers, body=BODY + b" ") is None


@pytest.mark.parametrize(("method", "headers"), TIMED)
@pytest.mark.parametrize(("seconds", "is_good"), [(300, True), (301, False)])
def test_a_signed_time_is_good_for_five_minutes_before_and_after(
    method: VerifyMethod, headers: dict[str, str], seconds: int, is_good: bool
) -> None:
    for step in (seconds, -seconds):
        now = datetime.fromtimestamp(NOW.timestamp() + step, UTC)
        found = proof(method, headers, now=now)
        assert (found is not None) == is_good
        # Remembered until nobody can send it again.
        assert found is None or found.remember_seconds > seconds - step


@pytest.mark.parametrize(("method", "headers"), GOOD, ids=IDS)
def test_what_is_well_formed_and_refused_shows_a_wrong_secret_or_signature(
    method: VerifyMethod, headers: dict[str, str]
) -> None:
    assert why_refused(method, signed_call(headers)).startswith(("the signature in", "the secret"))
    assert why_refused(method, signed_call({})).startswith("the sender sent no header ")


@pytest.mark.parametrize(("method", "headers"), TIMED)
@pytest.mark.parametrize(("seconds", "said"), [(7200, "120 min behind"), (-361, "7 min ahead of")])
def test_a_time_that_is_off_is_said_with_how_far(
    method: VerifyMethod, headers: dict[str, str], seconds: int, said: str
) -> None:
    now = datetime.fromtimestamp(NOW.timestamp() + seconds, UTC)
    assert f"is {said} the server's clock" in why_refused(method, signed_call(headers, now=now))


@pytest.mark.parametrize(
    ("method", "headers", "said"),
    [
        (VerifyMethod.BEARER, {"Authorization": SECRET}, "of the form Bearer SECRET"),
        (VerifyMethod.BEARER, {"Authorization": basic(SECRET)}, "of the form Bearer SECRET"),
        (VerifyMethod.ALERTMANAGER, {"Authorization": "Digest x"}, "nor Basic"),
        (VerifyMethod.GITHUB, {"X-Hub-Signature-256": "sha1=00"}, "of the form sha256="),
        (VerifyMethod.GITLAB, {"webhook-signature": "v1,x"}, "no header webhook-id"),
        (VerifyMethod.HMAC, {"Opsicle-Signature": f"t={AT}000,v1=00"}, "in whole seconds"),
    ],
)
def test_a_malformed_header_is_named_and_not_quoted(
    method: VerifyMethod, headers: dict[str, str], said: str
) -> None:
    reason = why_refused(method, signed_call(headers))

    assert said in reason
    assert all(value not in reason for value in headers.values())


def test_a_signature_written_otherwise_is_the_same_message() -> None:
    ((_, headers),) = [each for each in GOOD if each[0] is VerifyMethod.HMAC]
    text = headers["Opsicle-Signature"]
    again = {"Opsicle-Signature": f" v1=00 , {text} ,v0=x"}
    assert proof(VerifyMethod.HMAC, again) == proof(VerifyMethod.HMAC, headers)


def test_a_gitlab_message_that_is_signed_anew_is_known_by_its_id() -> None:
    later = str(int(AT) + 60)
    first, second = (
        proof(
            VerifyMethod.GITLAB,
            {
                "webhook-id": "m1",
                "webhook-timestamp": at,
                "webhook-signature": "v1," + base64_hmac(SECRET, f"m1.{at}.".encode() + BODY),
            },
        )
        for at in (AT, later)
    )
    assert first == second


def test_githubs_own_example() -> None:
    """From its page on validating webhook deliveries."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert proof(
        VerifyMethod.GITHUB,
        {"X-Hub-Signature-256": signature},
        secret="It's a Secret to Everybody",
        body=b"Hello, World!",
    )


def test_the_example_of_standard_webhooks() -> None:
    """From its specification: whose scheme GitLab follows."""
    assert proof(
        VerifyMethod.GITLAB,
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        body=b'{"test": 2432232314}',
        now=datetime.fromtimestamp(1614265330, UTC),
    )
