"""What will make trouble later: found on the server's machine, each with what to do about it."""
