"""Triggers: pushed as documents, kept as versions, and called as webhooks."""
