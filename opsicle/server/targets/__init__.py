"""Targets: pushed as documents, kept as versions, and chosen by what runs on them."""
