"""What the commands around backups take and say; the rest is with `tests/e2e/test_restores.py`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opsicle.cli.invocation import Invocation
from opsicle.cli.root import root
from opsicle.domain.errors import InvalidInput, UsageError
from opsicle.security import age_keys
from tests.api.backing_up import KEY, back_up
from tests.unit.test_age_files import IDENTITY, RECIPIENT


@pytest.fixture
def place(prepared_folder: Path, tmp_path: Path) -> Path:
    """Return a folder with a server's data, a backup of it, and the file of its passphrase."""
    shutil.copytree(prepared_folder, tmp_path / "data")
    (tmp_path / "backup").write_bytes(back_up(tmp_path / "data"))
    (tmp_path / "passphrase").write_text(f"{KEY.text}\n")
    return tmp_path


def call(*arguments: object, stdin: bytes = b"") -> Result:
    """Call the command line in this process; what it raises is in `exception`."""
    return CliRunner().invoke(root, [*map(str, arguments)], input=stdin, obj=Invocation())


def test_a_backup_is_checked_from_a_file_or_a_pipe_and_nothing_is_left(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(place / "temporary"))
    (place / "temporary").mkdir()
    content = (place / "backup").read_bytes()

    for file, stdin in ((place / "backup", b""), ("-", content)):
        done = call(
            "-o", "json", "restore", file, "--check", "--passphrase-file", place / "passphrase",
            stdin=stdin,
        )  # fmt: skip
        assert done.exit_code == 0, done.exception
        assert json.loads(done.stdout)["orgs"] == 2

    assert list((place / "temporary").iterdir()) == []


def test_a_weak_passphrase_and_what_is_no_file_are_refused_before_anything_is_written(
    place: Path,
) -> None:
    (place / "weak").write_text("short")

    weak = call("backup", place / "new", "--data-dir", place / "data", "--passphrase-file",
                place / "weak")  # fmt: skip
    folder = call("backup", place / "data", "--data-dir", place / "data", "--passphrase-file",
                  place / "passphrase")  # fmt: skip
    nowhere = call("backup", place / "absent/new", "--data-dir", place / "data",
                   "--passphrase-file", place / "passphrase")  # fmt: skip

    assert isinstance(weak.exception, InvalidInput)
    assert "shorter than 12" in weak.exception.message
    assert isinstance(folder.exception, InvalidInput)
    assert isinstance(nowhere.exception, InvalidInput)
    assert nowhere.exception.hint == f"Make the folder {place / 'absent'} first."
    assert not (place / "new").exists()


def test_a_backup_for_a_recipient_needs_no_passphrase_on_the_machine(place: Path) -> None:
    (place / "identity").write_text(IDENTITY)

    made = call("backup", place / "new", "--data-dir", place / "data", "--recipient", RECIPIENT)
    restored = call("restore", place / "new", "--check", "--identity-file", place / "identity")
    both = call("restore", place / "new", "--check", "--identity-file", place / "identity",
                "--passphrase-file", place / "passphrase")  # fmt: skip
    neither = call("restore", place / "new", "--check", "--passphrase-file", place / "passphrase")

    assert (made.exit_code, restored.exit_code) == (0, 0), (made.exception, restored.exception)
    assert isinstance(both.exception, UsageError)
    assert isinstance(neither.exception, InvalidInput)
    assert "--identity-file" in neither.exception.hint


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--check", "--data-dir", "somewhere"),
        ("--data-dir", "somewhere"),  # and nobody who could be asked for the passphrase
    ],
)
def test_a_restore_that_is_not_told_enough_is_wrong_usage(
    place: Path, options: tuple[str, ...]
) -> None:
    done = call("restore", place / "backup", *options)

    assert isinstance(done.exception, UsageError), done.exception


def test_a_backup_command_writes_what_a_restore_takes(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age_keys.Passphrase.__new__, "__defaults__", (KEY.work_factor,))
    key = ("--passphrase-file", place / "passphrase")

    made = call("backup", place / "new", "--data-dir", place / "data", *key)
    piped = call("backup", "-", "--data-dir", place / "data", *key)
    (place / "piped").write_bytes(piped.stdout_bytes)

    assert made.exit_code == piped.exit_code == 0, (made.exception, piped.exception)
    assert (place / "new").stat().st_mode & 0o777 == 0o600
    for file in ("new", "piped"):
        restored = call("restore", place / file, "--data-dir", place / f"from-{file}", *key)
        assert restored.exit_code == 0, restored.exception
        assert "its queue is held" in restored.stdout
