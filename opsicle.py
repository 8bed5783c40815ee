#!/usr/bin/env python3
"""Runs the program from a checkout: `.venv/bin/python opsicle.py …`, like `dist/opsicle …` from the built file."""

import sys

from opsicle.cli import main

if __name__ == "__main__":
    sys.exit(main())
