"""The API client: everything the command line says to a server goes through here."""
