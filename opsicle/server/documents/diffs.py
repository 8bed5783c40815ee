"""How one version of a document became another, as a unified diff."""

from __future__ import annotations


def unified_diff(before: str, after: str, names: tuple[str, str], most_lines: int) -> str | None:
    """Return the diff of two documents under these names.

    Return None if together they have more than `most_lines`.
    """
    old_lines, new_lines = before.splitlines(), after.splitlines()
    if len(old_lines) + len(new_lines) > most_lines:
        return None

    import difflib  # only who compares versions needs it

    lines = difflib.unified_diff(old_lines, new_lines, *names, lineterm="")
    return "".join(f"{line}\n" for line in lines)
