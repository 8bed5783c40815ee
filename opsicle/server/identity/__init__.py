"""Who somebody is: accounts, passwords, authenticator apps, sessions, fresh codes."""
