"""What `build.py` does: locks, environments, the one-file program, tests and checks.

Everything here runs on a bare CPython 3.11 or later, with nothing installed.
"""
