"""Files in the format of age: what was written comes out, and nothing else does."""

from __future__ import annotations

import io
import os
import pty
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from opsicle.domain.errors import InvalidInput
from opsicle.security.age_files import CHUNK_BYTES, DecryptingReader, EncryptingWriter
from opsicle.security.age_keys import (
    Identities,
    LockingKey,
    OpeningKey,
    Passphrase,
    Recipients,
)
from tests.support import require

QUICK = Passphrase("correct horse battery", work_factor=4)
SEALED_CHUNK = CHUNK_BYTES + 16


def encrypt(content: bytes, key: LockingKey = QUICK) -> bytes:
    target = io.BytesIO()
    writer = EncryptingWriter(target, key)
    for start in range(0, len(content), 50_000):
        writer.write(content[start : start + 50_000])
    writer.finish()
    return target.getvalue()


def decrypt(sealed: bytes, key: OpeningKey = QUICK) -> bytes:
    return DecryptingReader(io.BytesIO(sealed), key).readall() or b""


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(1).randbytes(3 * CHUNK_BYTES + 100)


@pytest.fixture(scope="module")
def sealed(content: bytes) -> bytes:
    return encrypt(content)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_what_was_written_comes_out(content: bytes, size: int) -> None:
    assert decrypt(encrypt(content[:size])) == content[:size]


def test_nothing_but_the_passphrase_opens_it(sealed: bytes) -> None:
    for wrong in ("correct horse batterz", "", "correct horse battery "):
        with pytest.raises(InvalidInput, match="does not open this backup"):
            decrypt(sealed, Passphrase(wrong))

    assert encrypt(b"same") != encrypt(b"same")
    assert "correct" not in repr(QUICK)


def test_a_file_that_was_cut_short_anywhere_does_not_open(sealed: bytes) -> None:
    head = len(sealed) - 3 * SEALED_CHUNK - 116
    ends = [0, 1, head - 1, head, head + 1, len(sealed) - 1]
    ends += [head + count * SEALED_CHUNK + more for count in (1, 2, 3) for more in (-1, 0, 1, 16)]

    for end in ends:
        with pytest.raises(InvalidInput):
            decrypt(sealed[:end])


def test_a_file_that_was_altered_anywhere_does_not_open(sealed: bytes) -> None:
    head = len(sealed) - 3 * SEALED_CHUNK - 116

    # Every byte of the head: of its lines, the nonce, and the first bytes behind it.
    for place in [*range(head + 20), head + SEALED_CHUNK, len(sealed) - 1]:
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(InvalidInput):
            decrypt(bytes(altered))


def test_chunks_that_were_moved_left_out_repeated_or_put_behind_do_not_open(sealed: bytes) -> None:
    head = len(sealed) - 3 * SEALED_CHUNK - 116
    start = sealed[:head]
    one, two, three = (sealed[head + n * SEALED_CHUNK :][:SEALED_CHUNK] for n in range(3))
    last = sealed[head + 3 * SEALED_CHUNK :]

    for chunks in (
        [two, one, three, last],
        [one, three, last],
        [one, two, three],
        [one, one, two, three, last],
        [one, two, three, last, last],
        [one, two, three, last, b"x"],
    ):
        with pytest.raises(InvalidInput, match="cut short or altered"):
            decrypt(start + b"".join(chunks))


def test_a_file_cannot_ask_for_all_memory() -> None:
    text = encrypt(b"").replace(b" 4\n", b" 40\n")

    with pytest.raises(InvalidInput, match="work factor"):
        decrypt(text)


def test_age_opens_it(content: bytes, tmp_path: Path) -> None:
    age, setsid = shutil.which("age"), shutil.which("setsid")
    require(age is not None and setsid is not None, "Debian's packages age and util-linux")
    (tmp_path / "sealed").write_bytes(encrypt(content, Passphrase(QUICK.text, 10)))

    ours, terminal = pty.openpty()  # it asks at a terminal, and nowhere else
    command = [setsid, "--ctty", "--wait", age, "-d", "-o", tmp_path / "plain", tmp_path / "sealed"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        said = b""
        while b"passphrase" not in said:
            said += os.read(ours, 1000)
        os.write(ours, f"{QUICK.text}\n".encode())
        status = process.wait(60)
    os.close(ours)

    assert status == 0, said
    assert (tmp_path / "plain").read_bytes() == content


# Made by `age-keygen` of age 1.1.1, for these tests alone.
RECIPIENT = "age1ur7dtegjkkg5upl04yglefjhz6w0d20zt3tff2v9pyg5r39kra9qph8989"
IDENTITY = "AGE-SECRET-KEY-1SCS04DWGS4HY687ZQNR49CZNVZLKMC5CW2NF4V3VEQ7ESWKPWUTS6JMVGJ"


def test_what_is_for_recipients_is_opened_by_each_of_them_and_by_nobody_else(
    content: bytes,
) -> None:
    other = Identities((X25519PrivateKey.generate(),))
    both = Recipients((*Recipients.from_texts([RECIPIENT]).keys, other.keys[0].public_key()))

    sealed = encrypt(content, both)

    assert decrypt(sealed, Identities.from_text(f"# a comment\n{IDENTITY}\n")) == content
    assert decrypt(sealed, other) == content
    with pytest.raises(InvalidInput, match="does not open this backup"):
        decrypt(sealed, Identities((X25519PrivateKey.generate(),)))
    with pytest.raises(InvalidInput, match="not encrypted under a passphrase"):
        decrypt(sealed, QUICK)
    with pytest.raises(InvalidInput, match="not for a recipient"):
        decrypt(encrypt(b""), other)


def test_a_key_with_a_slip_in_it_is_none() -> None:
    for wrong in (RECIPIENT[:-1], RECIPIENT[:-1] + "q", RECIPIENT.upper(), IDENTITY, "", "age1"):
        with pytest.raises(InvalidInput, match="no recipient of age"):
            Recipients.from_texts([wrong])
    for wrong in ("", "# only this", RECIPIENT, IDENTITY[:-1]):
        with pytest.raises(InvalidInput, match="holds no key") as refused:
            Identities.from_text(wrong)
        assert not wrong or wrong not in str(refused.value)


def test_age_opens_what_is_for_a_recipient_of_its_own(content: bytes, tmp_path: Path) -> None:
    age, keygen = shutil.which("age"), shutil.which("age-keygen")
    require(age is not None and keygen is not None, "Debian's package age")
    made = subprocess.run([keygen], capture_output=True, text=True, check=True)
    identity = made.stdout
    (recipient,) = re.findall(r"^# public key: (age1\w+)$", identity, re.MULTILINE)
    (tmp_path / "identity").write_text(identity)
    sealed = encrypt(content, Recipients.from_texts([recipient]))

    theirs = subprocess.run(
        [age, "-d", "-i", tmp_path / "identity"], input=sealed, capture_output=True, check=True
    )
    ours = subprocess.run([age, "-r", recipient], input=content, capture_output=True, check=True)

    assert theirs.stdout == content
    assert decrypt(ours.stdout, Identities.from_text(identity)) == content
