"""The record of who did what: read, exported, signed, checked and pruned."""
