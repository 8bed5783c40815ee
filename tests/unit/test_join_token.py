"""Enrolment with a man in the middle who reads, alters, replays or answers."""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput, NotAuthenticated
from opsicle.security import join_token
from opsicle.wire.worker_api import Enrolment, EnrolReply, EnrolRequest

TOKEN = join_token.new("https://ops.example:8443")
KEY = join_token.stored_key(TOKEN.secret)
OTHER = join_token.new("https://ops.example:8443")
REQUEST = join_token.make_request(
    TOKEN, "-----CSR-----\nabc\n", "build-1", {"zone": "eu", "arch": "x86"}, 4
)
ENROLMENT = Enrolment(
    worker_id="w1",
    org="acme",
    org_id="o1",
    name="build-1",
    certificate_pem="certificate",
    ca_pem="the real CA",
    order_key_pem="the key for orders",
    worker_url="https://ops.example:8444",
    request_digest="",
)
REPLY = join_token.make_reply(KEY, REQUEST, ENROLMENT)


def altered(text: str, position: int, character: str) -> str:
    position %= len(text)
    return text[:position] + character + text[position + 1 :]


# --- the text of the token


def test_a_token_survives_being_copied_with_white_space_around_it() -> None:
    assert join_token.parse(f"  {TOKEN.text}\n") == TOKEN


@given(st.integers(0, len(TOKEN.text) - 1), st.characters())
@settings(max_examples=300)
def test_a_mistyped_token_is_refused(position: int, character: str) -> None:
    mistyped = altered(TOKEN.text, position, character)
    if mistyped.strip() == TOKEN.text:
        return

    with pytest.raises(InvalidInput, match="join token"):
        join_token.parse(mistyped)


@pytest.mark.parametrize("length", range(0, len(TOKEN.text), 7))
def test_a_token_cut_off_is_refused(length: int) -> None:
    with pytest.raises(InvalidInput, match="join token"):
        join_token.parse(TOKEN.text[:length])


def test_a_refusal_never_shows_the_token() -> None:
    with pytest.raises(InvalidInput) as refusal:
        join_token.parse(TOKEN.text[:-1])
    assert TOKEN.text[6:20] not in refusal.value.message + refusal.value.hint


def test_an_endless_token_is_refused() -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        join_token.parse("opsj1." + "A" * 1_000_000)


def test_the_secret_is_not_shown_where_a_token_is_printed() -> None:
    assert "secret" not in repr(TOKEN)


def test_no_two_tokens_share_an_id_or_a_secret() -> None:
    assert TOKEN.token_id != OTHER.token_id
    assert TOKEN.secret != OTHER.secret


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ops.example",
        "ftp://ops.example",
        "https://",
        "https://a b",
        "https://a\n",
        "https://a:99999",
        "https://\x1b[2J",
        "https://" + "a" * 2050,
    ],
)
def test_no_token_is_made_for_what_is_no_address_of_a_server(url: str) -> None:
    with pytest.raises(InvalidInput, match="URL"):
        join_token.new(url)


# --- the worker's proof


def test_the_server_accepts_the_request_that_the_worker_made() -> None:
    join_token.check_request(KEY, REQUEST)


def test_the_secret_and_the_stored_key_are_never_on_the_wire() -> None:
    wire = msgspec.json.encode(REQUEST) + msgspec.json.encode(REPLY)
    for hidden in (TOKEN.secret, KEY):
        for form in (
            hidden,
            hidden.hex().encode(),
            base64.b64encode(hidden)[:-2],
            base64.urlsafe_b64encode(hidden)[:-2],
        ):
            assert form not in wire


def test_the_order_of_labels_does_not_matter() -> None:
    turned = msgspec.structs.replace(REQUEST, labels=dict(reversed(REQUEST.labels.items())))
    join_token.check_request(KEY, turned)


@given(
    st.sampled_from(["token_id", "csr_pem", "name", "mac"]),
    st.integers(0, 10_000),
    st.characters(exclude_categories=["Cs"]),
)
@settings(max_examples=300)
def test_a_request_with_any_character_altered_is_refused(
    field: str, position: int, character: str
) -> None:
    text = altered(getattr(REQUEST, field), position, character)
    if text == getattr(REQUEST, field):
        return

    with pytest.raises(NotAuthenticated):
        join_token.check_request(KEY, msgspec.structs.replace(REQUEST, **{field: text}))


@given(
    st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4),
    st.integers(),
    st.text(max_size=9),
)
@settings(max_examples=100)
def test_a_request_with_other_labels_slots_or_name_is_refused(
    labels: dict[str, str], slots: int, name: str
) -> None:
    changed = msgspec.structs.replace(REQUEST, labels=labels, slots=slots, name=name)
    with pytest.raises(NotAuthenticated):
        join_token.check_request(KEY, changed)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "build-14", "slots": 0},
        {"slots": 5},
        {"labels": {"zone": "euarch", "": "x86"}},
        {"labels": {"arch": "zone", "x86": "eu"}},
        {"labels": {"arch": "x86"}},
        {"csr_pem": REQUEST.csr_pem + REQUEST.name, "name": ""},
        {"mac": ""},
        {"mac": REPLY.mac},
    ],
)
def test_a_request_whose_fields_run_together_alike_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(NotAuthenticated):
        join_token.check_request(KEY, msgspec.structs.replace(REQUEST, **changes))


def test_a_request_of_one_token_is_worth_nothing_for_another() -> None:
    with pytest.raises(NotAuthenticated):
        join_token.check_request(join_token.stored_key(OTHER.secret), REQUEST)

    renamed = msgspec.structs.replace(REQUEST, token_id=OTHER.token_id)
    with pytest.raises(NotAuthenticated):
        join_token.check_request(join_token.stored_key(OTHER.secret), renamed)


def test_the_token_cannot_be_used_with_what_the_server_stores() -> None:
    from_database = join_token.JoinToken(url=TOKEN.url, token_id=TOKEN.token_id, secret=KEY)
    request = join_token.make_request(from_database, "csr", "thief", {}, 1)

    with pytest.raises(NotAuthenticated):
        join_token.check_request(KEY, request)


# --- the server's proof


def test_the_worker_reads_what_the_server_answered() -> None:
    enrolment = join_token.open_reply(TOKEN, REQUEST, REPLY)
    expected = msgspec.structs.replace(ENROLMENT, request_digest=join_token.request_digest(REQUEST))
    assert enrolment == expected


@given(
    st.sampled_from(["body", "mac"]),
    st.integers(0, 10_000),
    st.characters(exclude_categories=["Cs"]),
)
@settings(max_examples=300)
def test_an_answer_with_any_character_altered_is_refused(
    field: str, position: int, character: str
) -> None:
    text = altered(getattr(REPLY, field), position, character)
    if text == getattr(REPLY, field):
        return

    with pytest.raises(NotAuthenticated, match="somebody stands between"):
        join_token.open_reply(TOKEN, REQUEST, msgspec.structs.replace(REPLY, **{field: text}))


def test_an_answer_to_another_request_of_the_same_token_is_refused() -> None:
    second = join_token.make_request(TOKEN, "another CSR", "build-1", {}, 4)
    with pytest.raises(NotAuthenticated):
        join_token.open_reply(TOKEN, second, REPLY)


def test_an_answer_by_somebody_with_another_secret_is_refused() -> None:
    forged = join_token.make_reply(join_token.stored_key(OTHER.secret), REQUEST, ENROLMENT)
    with pytest.raises(NotAuthenticated):
        join_token.open_reply(TOKEN, REQUEST, forged)


def played_back(reply: EnrolReply, request: EnrolRequest) -> EnrolReply:
    return EnrolReply(body=reply.body, mac=request.mac)


def without_proof(reply: EnrolReply, _: EnrolRequest) -> EnrolReply:
    return EnrolReply(body=reply.body, mac="")


def with_strange_proof(reply: EnrolReply, _: EnrolRequest) -> EnrolReply:
    return EnrolReply(body=reply.body, mac="é\0")


@pytest.mark.parametrize("attack", [played_back, without_proof, with_strange_proof])
def test_no_answer_is_trusted_without_its_own_proof(
    attack: Callable[[EnrolReply, EnrolRequest], EnrolReply],
) -> None:
    with pytest.raises(NotAuthenticated):
        join_token.open_reply(TOKEN, REQUEST, attack(REPLY, REQUEST))


@given(
    st.text(max_size=20),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.integers(-5, 500),
)
def test_every_request_and_answer_comes_through_the_wire_whole(
    csr_pem: str, name: str, labels: dict[str, str], slots: int
) -> None:
    made = join_token.make_request(TOKEN, csr_pem, name, labels, slots)

    request = msgspec.json.decode(msgspec.json.encode(made), type=EnrolRequest)
    join_token.check_request(KEY, request)

    sent = msgspec.json.encode(join_token.make_reply(KEY, request, ENROLMENT))
    reply = msgspec.json.decode(sent, type=EnrolReply)
    assert join_token.open_reply(TOKEN, made, reply).ca_pem == "the real CA"
