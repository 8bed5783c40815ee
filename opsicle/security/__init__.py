"""Keys, certificates, tokens and passwords.

Everything cryptographic, for server, worker and client alike.
"""
