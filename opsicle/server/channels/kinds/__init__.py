"""The kinds of channel, one room each."""
