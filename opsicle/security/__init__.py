"""Keys, certificates, tokens and passwords: everything cryptographic, for server, worker and client alike."""
