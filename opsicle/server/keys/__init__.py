"""The server's own keys: where they lie, and what is encrypted under them."""
