"""No secret passes, in whatever form and pieces it is printed; everything else passes unchanged."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.domain.automations import JobState
from opsicle.wire.jobs import STDOUT
from opsicle.worker.masking import KEY_BYTES, REPLACEMENT, Mask, Masking
from opsicle.worker.output import CHUNK_BYTES
from opsicle.worker.secret_forms import forms
from tests.support import SCALE
from tests.worker.job_runs import Machine, phase
from tests.worker.test_output import Printed

LINES = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nxy\n-----END KEY-----\n"
VALUES = [
    "hunter2",
    "correct horse battery staple",
    "p@ss'w0rd\"<&>$`\\/é +~",
    "abcabcabcabc",
    LINES,
    "123456",
]

Encode = Callable[[str], str]


def behind(count: int, encode: Callable[[bytes], bytes]) -> Encode:
    """base64 of the value inside a longer text, which is what moves it."""

    def encoded(value: str) -> str:
        return encode(b"x" * count + value.encode() + b"yyy").decode()

    return encoded


ENCODINGS: dict[str, Encode] = {
    "plain": lambda value: value,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 moved by one": behind(1, base64.b64encode),
    "base64 moved by two": behind(2, base64.b64encode),
    "base64 for URLs, unpadded": lambda value: (
        base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
    ),
    "base64 for URLs, moved": behind(2, base64.urlsafe_b64encode),
    "base64 in lines": lambda value: base64.encodebytes((value + "\n").encode()).decode(),
    "URL": lambda value: quote(value, safe=""),
    "URL with +": quote_plus,
    "URL in lower case": lambda value: re.sub(
        "%..", lambda match: match[0].lower(), quote(value, safe="")
    ),
    "JSON": json.dumps,
    "JSON beyond ASCII": lambda value: json.dumps(value, ensure_ascii=False),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "shell": shlex.quote,
    "shell as sh -x has it": lambda value: "'" + value.replace("'", "'\\''") + "'",
    "HTML": html.escape,
    "lines": lambda value: "".join(f"  {line}\r\n" for line in value.splitlines()),
}


def masked(mask: Mask, *pieces: bytes) -> bytes:
    return b"".join(mask.feed(piece) for piece in pieces) + mask.finish()


def assert_is_gone(value: str, output: bytes, what: object) -> None:
    """Nothing of six bytes or more that a form of the value consists of can be read."""
    left = [form for form in forms([value]) if form in output]
    assert left == [], (what, output)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("value", VALUES)
def test_a_secret_is_masked_in_every_encoding_wherever_it_is_cut(value: str, name: str) -> None:
    printed = f"before {ENCODINGS[name](value)} behind".encode()

    assert any(form in printed for form in forms([value])), "there is nothing to be masked"

    masking = Masking([value])
    for cut in range(len(printed) + 1):
        output = masked(Mask(masking), printed[:cut], printed[cut:])
        assert_is_gone(value, output, (cut, printed))
        assert ENCODINGS[name](value).encode() not in output
        assert output.startswith(b"before ")
        assert output.endswith(b" behind")
        assert REPLACEMENT in output


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_secret_is_masked_that_comes_byte_by_byte(name: str) -> None:
    for value in VALUES:
        printed = f"before {ENCODINGS[name](value)} behind".encode()
        output = masked(Mask(Masking([value])), *(printed[i : i + 1] for i in range(len(printed))))
        assert_is_gone(value, output, printed)


@given(st.lists(st.binary(max_size=40), max_size=12))
@settings(max_examples=round(200 * SCALE), deadline=None)
def test_what_is_no_secret_passes_unchanged(pieces: list[bytes]) -> None:
    output = masked(Mask(Masking(["hunter2 is secret", "\x00\x01\x02\x03\x04\x05\x06"])), *pieces)
    whole = b"".join(pieces)
    if not any(
        form in whole for form in forms(["hunter2 is secret", "\x00\x01\x02\x03\x04\x05\x06"])
    ):
        assert output == whole


@given(st.text("ab", min_size=6, max_size=9), st.text("ab", min_size=6, max_size=9), st.data())
@settings(max_examples=round(300 * SCALE), deadline=None)
def test_two_secrets_that_overlap_are_both_masked(
    one: str, other: str, data: st.DataObject
) -> None:
    """Among two letters everything is nearly a secret, and overlaps with another one."""
    printed = data.draw(st.text("ab", max_size=60)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(printed)), max_size=6)))
    pieces = [printed[a:b] for a, b in zip([0, *cuts], [*cuts, len(printed)], strict=True)]

    output = masked(Mask(Masking([one, other])), *pieces)

    for part in output.split(REPLACEMENT):
        assert one.encode() not in part
        assert other.encode() not in part

    kept = output.replace(REPLACEMENT, b"")
    covered: set[int] = set()
    for secret in (one.encode(), other.encode()):
        for at in range(len(printed)):
            if printed.startswith(secret, at):
                covered.update(range(at, at + len(secret)))
    assert kept == bytes(byte for i, byte in enumerate(printed) if i not in covered)


def test_the_beginning_of_a_secret_is_shown_when_nothing_more_comes() -> None:
    mask = Mask(Masking(["hunter2"]))

    assert mask.feed(b"it is hunt") == b"it is "
    assert mask.can_release
    assert mask.release() == b"hunt"
    assert mask.finish() == b""


def test_the_rest_of_a_secret_is_masked_whose_beginning_was_shown() -> None:
    mask = Mask(Masking(["hunter2"]))
    mask.feed(b"it is hunt")

    mask.release()

    assert mask.feed(b"er2 and more") + mask.finish() == REPLACEMENT + b" and more"


def test_what_is_hardly_there_by_chance_is_not_shown_only_because_it_is_silent() -> None:
    mask = Mask(Masking(["correct horse"]))

    assert mask.feed(b"correct") == b""
    assert not mask.can_release
    assert mask.feed(b" horse.") + mask.finish() == REPLACEMENT + b"."


def test_no_more_is_held_back_than_could_be_a_secret() -> None:
    mask = Mask(Masking(["correct horse"]))
    longest = max(len(form) for form in forms(["correct horse"]))
    shown = 0
    for i, byte in enumerate(b"correct horscorrect hors" * 10):
        shown += len(mask.feed(bytes([byte])))
        assert i + 1 - shown < longest


def test_many_secrets_are_found_as_one_is() -> None:
    values = [f"secret number {n:04d}" for n in range(300)]
    masking = Masking(values)

    output = masked(Mask(masking), b"\n".join(value.encode() for value in values))

    assert output == b"\n".join([REPLACEMENT] * 300)


def test_a_secret_of_the_largest_size_is_masked_in_little_time() -> None:
    value = base64.b64encode(os.urandom(48 * 1024)).decode()
    began = time.process_time()

    output = masked(
        Mask(Masking([value])),
        *(f"a{value}b".encode()[i : i + 1000] for i in range(0, 65538, 1000)),
    )

    assert output == b"a" + REPLACEMENT + b"b"
    assert time.process_time() - began < 5  # it takes some 50 ms


def test_every_form_begins_with_a_whole_key() -> None:
    assert all(
        len(form) >= KEY_BYTES > len(REPLACEMENT) for value in VALUES for form in forms([value])
    )


def test_each_stream_is_masked_on_its_own(machine: Machine) -> None:
    secret = {"db-password": "correct horse"}
    command = (
        'printf "correct "; printf "correct " >&2; printf "horse\\n"; printf "horse\\n" >&2; '
        'echo "$0 seen"'
    )

    outcome = machine.run(phase(command, secrets=("db-password",)), secret_values=secret)

    assert outcome.state is JobState.SUCCEEDED
    assert machine.log.stdout == REPLACEMENT + b"\nwork seen\n"
    assert machine.log.stderr == REPLACEMENT + b"\n"


def test_only_the_phase_that_names_a_secret_gets_it_and_every_phase_is_masked(
    machine: Machine,
) -> None:
    secret = {"db-password": "correct horse"}
    show = 'echo "got [${OPSICLE_SECRET_DB_PASSWORD-nothing}]"'
    named = phase(show, 'printf %s "$OPSICLE_SECRET_DB_PASSWORD" > kept', secrets=("db-password",))

    machine.run(named, phase(show, "cat kept", name="later"), secret_values=secret)

    assert machine.log.of(phase=0) == b"got [***]\n"
    assert machine.log.of(phase=1) == b"got [nothing]\n***"


def test_a_secret_variable_reaches_every_phase_and_is_masked(machine: Machine) -> None:
    machine.run(
        phase('echo "[$OPSICLE_VAR_PASSWORD]"'),
        secret_environment={"OPSICLE_VAR_PASSWORD": "correct horse"},
    )
    assert machine.log.everything == b"[***]\n"


def test_nothing_is_run_if_something_is_withheld(machine: Machine) -> None:
    outcome = machine.run(phase("echo ran"), withheld="the secret db-password was deleted")

    assert (outcome.state, outcome.explanation) == (
        JobState.FAILED,
        "the secret db-password was deleted",
    )
    assert machine.log.everything == b""


def test_nothing_is_run_without_a_secret_that_a_phase_names(machine: Machine) -> None:
    outcome = machine.run(phase("echo ran"), phase("true", name="later", secrets=("db-password",)))

    assert outcome.state is JobState.FAILED
    assert "db-password" in outcome.explanation
    assert machine.log.everything == b""


def test_explanations_are_masked(machine: Machine) -> None:
    outcome = machine.run(
        phase("true", secrets=("folder",), working_directory="correct horse"),
        secret_values={"folder": "correct horse"},
    )

    assert outcome.state is JobState.FAILED
    assert "folder" in outcome.explanation
    assert "correct" not in outcome.explanation + outcome.phases[0].explanation


def test_work_shows_no_secret_when_it_is_printed(machine: Machine) -> None:
    work = machine.work(
        secret_values={"a": "correct horse"}, secret_environment={"OPSICLE_VAR_B": "battery staple"}
    )

    assert "correct" not in repr(work)
    assert "battery" not in repr((work,))


def printed_with(*secrets: str) -> Printed:
    printed = Printed()
    printed.output.close()
    os.close(printed.write_end)
    printed.output.masking = Masking(secrets)
    read_end, printed.write_end = os.pipe()
    os.set_blocking(read_end, False)
    printed.output.add(read_end, 0, STDOUT)
    return printed


def test_live_output_stays_live_though_it_ends_as_a_secret_begins() -> None:
    printed = printed_with("hunter2")
    os.write(printed.write_end, b"uploading h")

    printed.turn_for(0.1)

    assert printed.log.everything == b"uploading "

    printed.turn_for(0.3)
    assert printed.log.everything == b"uploading h"

    printed.close()
    assert printed.log.everything == b"uploading h"


def test_what_was_held_back_comes_out_at_the_end_of_the_stream() -> None:
    printed = printed_with("correct horse")
    os.write(printed.write_end, b"correct hors")

    printed.turn_for(0.3)

    assert printed.log.everything == b""

    printed.close()
    assert printed.log.everything == b"correct hors"


def test_held_back_output_is_never_offered_in_too_large_pieces() -> None:
    value = "x" * 60_000
    printed = printed_with(value)
    os.set_blocking(printed.write_end, False)

    for content in (value[:-1].encode(), b"y" * 60_000):
        view = memoryview(content)
        while view:
            view = view[os.write(printed.write_end, view[:60_000]) :]
        printed.turn_for(0.05)
    printed.close()

    assert printed.log.everything == value[:-1].encode() + b"y" * 60_000
    assert max(len(chunk[3]) for chunk in printed.log.chunks) <= CHUNK_BYTES
