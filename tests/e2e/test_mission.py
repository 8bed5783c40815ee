"""The mission, whole: somebody of acme asks to change the real target, others decide, a worker verifies and runs it.

Whether something has happened is judged outside Opsicle: by the page that nginx serves.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from building import zipapp
from tests.e2e.mission import Mission, own_worker, shared_worker, stage

pytestmark = [pytest.mark.e2e, pytest.mark.namespaces, pytest.mark.timeout(300)]

PLACEMENTS = {"fully-managed": shared_worker, "shared-responsibility": own_worker}


@pytest.fixture(scope="module", params=PLACEMENTS)
def mission(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mission]:
    """The built file in one placement, for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSICLE_UNDER_TEST", str(zipapp.build(zipapp.host_platform(), anew=False)))
        with stage(tmp_path_factory.mktemp("mission")) as made:
            PLACEMENTS[request.param](made)
            yield made


def test_the_managers_consent_by_command_line_lets_it_run(mission: Mission) -> None:
    jobs = mission.push("page-by-hand", approvers={"manager": True}, requireMfa=True)
    asked = mission.ask(jobs, "decided by hand", "the summer sale begins")
    letter = mission.letter(mission.bob, asked.page)
    for text in ("carol@example.com", "the summer sale begins", "decided by hand"):
        assert text in letter
    [waiting] = mission.bob.json("approvals", "list")
    shown = mission.bob.cli("approvals", "show", waiting["id"])
    for text in ("carol@example.com", "the summer sale begins", "decided by hand", "-s reload"):
        assert text in shown
    assert mission.bob.attempt("approvals", "approve", waiting["id"]).returncode == 2
    assert jobs.page() != "decided by hand\n"
    mission.bob.cli("approvals", "approve", waiting["id"], "--totp", mission.bob.app.code())
    assert asked.wait() == 0, asked.terminal.log()
    assert jobs.page() == "decided by hand\n"
    mission.letter(mission.carol, "page-by-hand succeeded")
