"""The certificate authority, certificates and join tokens."""
