"""Whoever sits at a terminal is told what the server's operators announce, and no program is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.terminal import at_a_terminal
from tests.product import Installation, User

TEXT = "two minutes of upgrade at 22:00"


@pytest.fixture
def alice(installation: Installation) -> User:
    return installation.person("alice-who-reads@example.com", "operator")


def test_an_announcement_is_told_once_a_day_at_a_terminal_and_never_to_a_program(
    installation: Installation, alice: User
) -> None:
    made = installation.admin.json("announcements", "create", TEXT, "--until", "2h")
    try:
        told = Path(alice.environment["OPSICLE_CONFIG_DIR"]) / "announced.json"

        quiet = alice.attempt("templates", "list")
        _, failed = at_a_terminal(alice, "templates", "show", "nowhere", answers=[])
        code, first = at_a_terminal(alice, "templates", "list", answers=[])
        told.write_text(told.read_text().replace('"asked_at":', '"asked_at":-'))  # long ago
        _, again = at_a_terminal(alice, "templates", "list", answers=[])

        assert TEXT not in quiet.stdout + quiet.stderr + failed
        assert (code, first.count(f"announcement: {TEXT}")) == (0, 1)
        assert TEXT not in again
        assert '"asked_at":-' not in told.read_text(), "asked, and not told a second time"
        assert told.stat().st_mode & 0o777 == 0o600
        assert [each["text"] for each in alice.json("whoami")["announcements"]] == [TEXT]
    finally:
        installation.admin.cli("announcements", "delete", made["id"])
    assert alice.json("whoami")["announcements"] == []
