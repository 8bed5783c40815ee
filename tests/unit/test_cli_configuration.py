"""`opsicle.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.cli.configuration import read_defaults
from opsicle.cli.root import root
from opsicle.domain.errors import UsageError


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the config folder's file."""
    folder, here = tmp_path / "config", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.setenv("OPSICLE_CONFIG_DIR", str(folder))
    monkeypatch.chdir(here)
    return folder / "opsicle.toml"


def test_without_a_file_there_are_no_defaults(own: Path) -> None:
    assert not own.exists()
    assert read_defaults(root) == {}


def test_keys_are_spelled_as_the_options_are(own: Path) -> None:
    own.write_text(
        'output = "json"\n[run]\nfollow = true\nvar-file = "x"\n[workers.token]\nttl = 600\n'
    )
    assert read_defaults(root) == {
        "output": "json",
        "run": {"follow": True, "var_file": "x"},
        "workers": {"token": {"ttl": 600}},
    }


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1", "colour"),
        ("[run]\nfolow = true", "run.folow"),
        ("[workers.tokn]\nttl = 1", "workers.tokn"),
        ("[run.follow]\nx = 1", "run.follow"),
        ("workers = 1", "workers"),
        ("version = true", "version"),
    ],
)
def test_an_unknown_key_is_named_with_its_file(own: Path, text: str, key: str) -> None:
    own.write_text(text)

    with pytest.raises(UsageError, match=f"`{key}`") as raised:
        read_defaults(root)
    assert str(own) in raised.value.message


def test_a_file_that_is_no_toml_is_refused(own: Path) -> None:
    own.write_text("[run\n")
    with pytest.raises(UsageError, match="not TOML"):
        read_defaults(root)


def test_the_working_folder_wins_over_the_config_folder(own: Path) -> None:
    own.write_text('output = "json"\n[run]\nfollow = true\n')
    Path("opsicle.toml").write_text("[run]\nfollow = false\n")
    assert read_defaults(root) == {"output": "json", "run": {"follow": False}}


@pytest.mark.parametrize(
    "text", ['profile = "evil"', '[login]\nserver = "https://evil"', '[setup]\nserver = "x"']
)
def test_a_file_that_merely_lies_around_cannot_choose_the_server(own: Path, text: str) -> None:
    assert not own.exists()

    Path("opsicle.toml").write_text(text)
    with pytest.raises(UsageError, match="config folder"):
        read_defaults(root)
