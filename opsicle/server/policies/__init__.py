"""Approval policies: pushed as documents, kept as versions, and which one applies to what."""
