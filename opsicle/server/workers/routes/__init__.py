"""The routes about workers, one file a noun."""
