"""Reading what a phase writes to the file that OPSICLE_OUTPUT names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput
from opsicle.domain.outputs import MAX_OUTPUT_BYTES, MAX_OUTPUT_FILE_BYTES, read_outputs
from opsicle.domain.template_parser import parse_template

DECLARED = ("a", "b-c")


def read(text: str | bytes) -> dict[str, str]:
    content = text.encode() if isinstance(text, str) else text
    values, problem = read_outputs(content, DECLARED)
    assert problem == ""
    return values


def problem_of(text: str | bytes, declared: tuple[str, ...] = DECLARED) -> str:
    content = text.encode() if isinstance(text, str) else text
    return read_outputs(content, declared).problem


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n\n  \n", {}),
        ("a=1\n", {"a": "1"}),
        ("a=1", {"a": "1"}),
        ("a=\n", {"a": ""}),
        ("a= x = y << z \nb-c=2\n", {"a": " x = y << z ", "b-c": "2"}),
        ("a=1\na=2\n", {"a": "2"}),
        ("a<<END\none\n\ntwo=2\nEND\nb-c=2\n", {"a": "one\n\ntwo=2", "b-c": "2"}),
        ("a<<END\nEND\n", {"a": ""}),
        ("a<<x=y\n1\nx=y", {"a": "1"}),
        ("a=<<END\n", {"a": "<<END"}),
        ("a=ü\u2028\r\n", {"a": "ü\u2028\r"}),
    ],
)
def test_what_is_well_written_is_read(text: str, values: dict[str, str]) -> None:
    assert read(text) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kept\n", "line 1 of OPSICLE_OUTPUT is not `name=value`"),
        ("a=1\n\ntwo lines\n", "line 3 of OPSICLE_OUTPUT is not `name=value`"),
        ("a<<END\n1\n end\n", "line 1 of OPSICLE_OUTPUT opens a value of several lines, and no"),
        ("=1\n", "line 1 of OPSICLE_OUTPUT sets a name that is not among the phase's `outputs`"),
        ("a =1\n", "which are `a` or `b-c`"),
        ("a=1\0\n", "line 1 of OPSICLE_OUTPUT sets `a` to a value with a NUL byte"),
        (f"a={'x' * (MAX_OUTPUT_BYTES + 1)}", "sets `a` to more than 32 KiB"),
        (f"a={'ü' * (MAX_OUTPUT_BYTES // 2 + 1)}", "sets `a` to more than 32 KiB"),
        (b"a=1\nb-c=\xff\n", "line 2 of OPSICLE_OUTPUT is not text in UTF-8"),
        (b"a=1\n" * (MAX_OUTPUT_FILE_BYTES // 4 + 1), "OPSICLE_OUTPUT holds more than 1024 KiB"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str | bytes, said: str) -> None:
    assert said in problem_of(text)


def test_a_phase_that_declares_nothing_may_write_nothing() -> None:
    assert problem_of("a=1\n", ()).endswith("`outputs`, of which it declares none")


def test_what_is_right_counts_beside_what_is_wrong() -> None:
    values, problem = read_outputs(b"a=1\nwrong\nb-c=2\nwrong too\n", DECLARED)

    assert values == {"a": "1", "b-c": "2"}
    assert problem.startswith("line 2 ")


def test_a_mistake_quotes_nothing_of_the_file_since_it_may_be_half_a_secret() -> None:
    for text in ("c2VjcmV0==\n", "c2VjcmV0\n", "x<<c2VjcmV0\n", "a\nc2VjcmV0=1"):
        assert "c2VjcmV0" not in problem_of(text)


def test_the_largest_value_and_the_largest_file_are_taken() -> None:
    assert len(read(f"a={'x' * MAX_OUTPUT_BYTES}")["a"]) == MAX_OUTPUT_BYTES
    assert read("a=12345\n" * (MAX_OUTPUT_FILE_BYTES // 8)) == {"a": "12345"}


@pytest.mark.parametrize("line", ["x=1", "a<<b\nb", "wrong", "a<<b"])
def test_a_hostile_file_is_read_in_linear_time(line: str) -> None:
    content = f"{line}\n".encode() * (MAX_OUTPUT_FILE_BYTES // (len(line) + 1))
    began = time.process_time()

    read_outputs(content, [f"name-{number}" for number in range(50)] + ["a"])

    assert time.process_time() - began < 60


@given(st.binary(max_size=300))
def test_whatever_is_written_is_read_or_refused(content: bytes) -> None:
    values, _ = read_outputs(content, DECLARED)
    assert set(values) <= set(DECLARED)


@given(st.lists(st.tuples(st.sampled_from(DECLARED), st.text().filter(lambda t: "\0" not in t))))
def test_whatever_is_written_with_an_end_of_its_own_comes_back(
    written: list[tuple[str, str]],
) -> None:
    end = "E" * (1 + max((len(value) for _, value in written), default=0))
    text = "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in written)

    assert read(text.encode(errors="surrogatepass").decode(errors="replace")) == dict(written)


# Names


def _template(*phases: str) -> bytes:
    return (
        "{apiVersion: v1, type: AutomationTemplate, metadata: {name: t}, spec: {template: {phases: "
        f"[{', '.join(phases)}]}}}}}}"
    ).encode()


@pytest.mark.parametrize("twin", ["backup-path", "backup_path", "BACKUP_PATH"])
def test_two_outputs_that_would_be_one_variable_are_a_mistake(twin: str) -> None:
    source = _template(
        "{name: one, commands: [x], outputs: [backup_path]}",
        f"{{name: two, commands: [x], outputs: [{twin}]}}",
    )

    with pytest.raises(InvalidInput) as caught:
        parse_template(source)

    [problem] = caught.value.problems
    assert problem.path == "spec.template.phases[1].outputs"
    assert "of the phase `one`, would both be OPSICLE_OUTPUT_BACKUP_PATH" in problem.message


def test_two_outputs_of_one_phase_that_would_be_one_variable_are_a_mistake() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_template(_template("{name: one, commands: [x], outputs: [a-b, a_b]}"))

    [problem] = caught.value.problems
    assert problem.message.startswith("`a_b`, and `a-b` of the phase `one`, would both be")
