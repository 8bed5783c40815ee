"""The chat services that policies and templates may name: those from which decisions come back.

The kinds of channel that have an inbox are these; a test compares them.
"""

from __future__ import annotations

CHAT_SERVICES = ("telegram", "slack")
