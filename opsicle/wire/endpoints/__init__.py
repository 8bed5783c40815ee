"""The table of all endpoints: a file for each noun, a constant for each endpoint."""
