"""Backups: made while the server runs, and restored into an empty folder."""
