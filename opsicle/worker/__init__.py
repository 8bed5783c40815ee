"""The agent that takes jobs and carries them out."""
