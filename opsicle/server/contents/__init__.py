"""Files on the server's disk, named by what is in them: received, kept, read, and let go."""
