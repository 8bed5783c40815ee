"""Shells complete our commands by the scripts that `opsicle completion` prints."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest
from click.shell_completion import ShellComplete

from opsicle.cli.root import root
from tests.processes import program
from tests.support import require

ASKED = {
    "bash": """
        source "$0"
        COMP_WORDS=(opsicle work) COMP_CWORD=1
        _opsicle_completion opsicle
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "fish": 'source "$argv[1]"; complete -C "opsicle work"',
    "zsh": """
        compdef() { :; }
        _describe() { print -l -- $completions_with_descriptions }
        words=(opsicle work) CURRENT=2
        source "$0"
        _opsicle_completion
    """,
}


@pytest.mark.parametrize("shell", ASKED)
def test_a_shell_completes_a_command(tmp_path: Path, shell: str) -> None:
    require(which(shell) is not None, f"the package {shell}")
    ours, script = tmp_path / "bin" / "opsicle", tmp_path / "script"
    ours.parent.mkdir()
    ours.write_text('#!/bin/sh\nexec {} "$@"\n'.format(" ".join(program())))
    ours.chmod(0o755)
    environment = {"PATH": f"{ours.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    script.write_bytes(subprocess.check_output([ours, "completion", shell], env=environment))

    found = subprocess.check_output([shell, "-c", ASKED[shell], script], env=environment, text=True)

    assert {line.split("\t")[0].split(":")[0] for line in found.split("\n")} >= {
        "worker",
        "workers",
    }


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (["run"], "file"),
        (["templates", "push"], "file"),
        (["backup"], "file"),
        (["doctor", "--data-dir"], "dir"),
    ],
)
def test_files_and_folders_are_left_to_the_shell(before: list[str], kind: str) -> None:
    completed = ShellComplete(root, {}, "opsicle", "_OPSICLE_COMPLETE")

    found = completed.get_completions(before, "exa")

    assert [(each.type, each.value) for each in found] == [(kind, "exa")]
