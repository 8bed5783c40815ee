"""Each format of manifests and orders is spelled as it always was, byte for byte."""

from __future__ import annotations

import typing
from datetime import UTC, datetime

import msgspec
import pytest

from opsicle.domain import manifest_formats
from opsicle.domain.automations import WorkerLost
from opsicle.domain.manifest_formats import (
    FORMATS,
    NEWEST,
    SUPPORTED_FORMATS,
    FieldNotSupported,
    Format,
    encode_in_format,
    newest_common,
)
from opsicle.domain.manifests import (
    NO_POLICY,
    BoundDecision,
    Manifest,
    PolicyAsked,
    WorkOrder,
    canonical,
    digest,
)
from opsicle.domain.templates import Phase, Retries, VolumeMount

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)

MANIFEST = Manifest(
    org_id="o1",
    automation_id="a1",
    template="restart-web",
    version=3,
    template_digest="sha256:00",
    phases=(
        Phase(name="plain", commands=("echo ü",)),
        Phase(
            name="whole",
            commands=("a", "b"),
            image="debian:12",
            timeout=5,
            env={"B": "2", "A": "1"},
            secrets=("db",),
            working_directory="/srv",
            retries=Retries(limit=2, delay=1),
            outputs=("x",),
        ),
    ),
    values={"who": "world", "count": 3, "many": ["a", "b"]},
    secret_variables={"pin": "00"},
    secrets=("db",),
    volume_mounts=(VolumeMount("/a", "/b"),),
    runs_on={"site": "ams"},
    timeout=None,
    on_worker_lost=WorkerLost.REQUEUE,
    requester_id="u1",
    requester="alice@example.com",
    reason="because",
    principal_id="u2",
    policy=NO_POLICY,
)
ORDER = WorkOrder(
    org_id="o1",
    worker_id="w1",
    automation_id="a1",
    job_id="j1",
    fence=1,
    nonce="n",
    manifest_digest="00",
    policy_digest="sha256:11",
    decisions=(
        BoundDecision(
            gate="g",
            decision="approve",
            user_id="u3",
            email="bob@example.com",
            with_mfa=True,
            decided_at=AT,
            principal_id="u3",
        ),
    ),
    issued_at=AT,
    expires_at=AT,
)

SPELLED = {
    (Manifest, 1): "2d2490024b4b983548e1835253eb15e5be10f7acaddf8034c8a7edf8975fb505",
    (Manifest, 2): "bbc1c9c5d7c4dff7d0b22b957697f886acdc7c58d9e5b996ac977da09f62f19d",
    (WorkOrder, 1): "6de56bbb47c2ba510b1a6567ca9336b26ed9f8dd6c57448b47f5d80bdbaa4ec9",
    (WorkOrder, 2): "af11c92357a0efeeef8fa798b98234ccca97fcf65761d1343d95f47d2a4e0f29",
}
"""What programs that are out there compare and sign: the digest of each sample. Those of format 1
were made by the version that knew no other."""


@pytest.mark.parametrize(
    ("kind", "number"), SPELLED, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_format_is_spelled_as_it_always_was(kind: type, number: int) -> None:
    message = {Manifest: MANIFEST, WorkOrder: ORDER}[kind].in_format(number)
    assert digest(canonical(message)) == SPELLED[kind, number]


@pytest.mark.parametrize("number", SUPPORTED_FORMATS)
def test_what_is_spelled_in_a_format_is_read_back_and_spelled_alike(number: int) -> None:
    for message in (MANIFEST.in_format(number), ORDER.in_format(number)):
        content = canonical(message)
        read = msgspec.json.decode(content, type=type(message))
        assert (read, canonical(read)) == (message, content)


def test_a_manifest_for_an_older_worker_leaves_out_only_what_no_worker_goes_by() -> None:
    said = msgspec.json.decode(canonical(MANIFEST.in_format(1)))

    whole = msgspec.json.decode(canonical(MANIFEST))
    assert whole.keys() - said.keys() == {"principal_id", "policy"}
    assert {name: value for name, value in whole.items() if name in said} == {**said, "format": 2}


def structs_in(kind: type) -> set[type[msgspec.Struct]]:
    """Return a struct and all those that its fields can hold."""
    found: set[type[msgspec.Struct]] = set()

    def look(annotation: object) -> None:
        for part in typing.get_args(annotation):
            look(part)
        if (
            isinstance(annotation, type)
            and issubclass(annotation, msgspec.Struct)
            and annotation not in found
        ):
            found.add(annotation)
            for hint in typing.get_type_hints(annotation).values():
                look(hint)

    look(kind)
    return found


@pytest.mark.parametrize("number", SUPPORTED_FORMATS)
def test_every_struct_in_a_message_has_its_list_of_fields_and_no_list_names_what_is_not_there(
    number: int,
) -> None:
    kinds = {kind for root in (Manifest, WorkOrder, PolicyAsked) for kind in structs_in(root)}
    form = FORMATS[number]

    assert {kind.__name__ for kind in kinds} == set(form.always)

    for kind in kinds:
        named = [*form.always[kind.__name__], *form.later.get(kind.__name__, ())]
        assert len(named) == len(set(named))
        assert set(named) <= set(kind.__struct_fields__)


def test_the_newest_format_has_a_place_for_every_field_there_is() -> None:
    form = FORMATS[NEWEST]
    for root in (Manifest, WorkOrder, PolicyAsked):
        for kind in structs_in(root):
            name = kind.__name__
            assert set(kind.__struct_fields__) == {*form.always[name], *form.later.get(name, ())}


class Sample(msgspec.Struct, kw_only=True):
    """A struct to which `extra` was added after its format had been released."""

    name: str
    extra: dict[str, int] = {}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = {
        8: Format({"Sample": ("name",)}, {}),
        9: Format({"Sample": ("name",)}, {"Sample": ("extra",)}),
    }
    monkeypatch.setattr(manifest_formats, "FORMATS", forms)


@pytest.mark.usefixtures("later")
def test_a_later_field_is_left_out_while_it_has_its_default() -> None:
    for number in (8, 9):
        assert encode_in_format(Sample(name="a"), number) == b'{"name":"a"}'
    assert encode_in_format(Sample(name="a", extra={"x": 1}), 9) == b'{"extra":{"x":1},"name":"a"}'


@pytest.mark.usefixtures("later")
def test_what_a_format_has_no_field_for_is_never_passed_over() -> None:
    with pytest.raises(FieldNotSupported, match=r"Sample\.extra"):
        encode_in_format(Sample(name="a", extra={"x": 1}), 8)


def test_two_programs_use_the_newest_format_that_both_speak() -> None:
    assert newest_common((1,)) == 1
    assert newest_common((1, 2)) == 2
    assert newest_common((2, 3)) == 2
    assert newest_common((3, 4)) is None
    assert newest_common(()) is None


def test_what_is_said_again_is_spelled_as_the_first_time_and_anything_else_anew() -> None:
    first, again = canonical(MANIFEST), canonical(MANIFEST)
    names = [f"p{i}" for i in range(100)]
    others = [
        msgspec.structs.replace(MANIFEST, phases=(Phase(name=name, commands=("x",)),))
        for name in names
    ]

    assert first == again
    assert [msgspec.json.decode(canonical(each))["phases"][0]["name"] for each in others] == names
    assert canonical(MANIFEST) == first
    assert canonical(MANIFEST.in_format(1)) == canonical(MANIFEST.in_format(1)) != first


def test_retries_without_new_fields_are_encoded_as_they_always_were() -> None:
    """Digests of stored templates cover what msgspec makes of them."""
    assert msgspec.json.encode(Retries(limit=2, delay=0)) == b'{"limit":2,"delay":0}'
