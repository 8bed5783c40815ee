#!/usr/bin/env python3
"""The one tool of the project, which builds, tests and checks it.

It needs CPython 3.11 or later and nothing else.

python3 build.py                build dist/opsicle, one executable file; with --quick uncompressed
python3 build.py release         dist/release: the file for each platform, bill of materials, sums
python3 build.py demo           build if needed and run `opsicle demo`
python3 build.py test [...]     run the tests; what follows goes to pytest
python3 build.py nightly [...]  run what `test` leaves out or does less often: other Debians, kills
python3 build.py check          format, lint, types, import contracts, consistency
python3 build.py bench [...]    measure
python3 build.py pictures       build/pictures: every page, light, dark, 3 widths; and docs/images
python3 build.py lock           refresh requirements/*.txt; with --upgrade to the newest versions
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("build.py needs Python 3.11 or later; this is Python %d.%d" % sys.version_info[:2])

from building.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
