"""The ways to run a phase."""
