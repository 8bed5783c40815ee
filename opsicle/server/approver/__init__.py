"""The ways out to people, one file a channel. Nothing here knows the store: it is handed a message and sends it."""
