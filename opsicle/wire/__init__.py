"""The messages that cross a wire."""
