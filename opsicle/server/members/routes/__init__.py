"""The routes about members, one file a noun."""
