#!/usr/bin/env python3
"""Runs the program from a checkout, as `dist/opsicle` does from the built file.

`.venv/bin/python opsicle.py …`
"""

import sys

from opsicle.cli import main

if __name__ == "__main__":
    sys.exit(main())
