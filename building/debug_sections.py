"""Blanks what compiled modules carry for debuggers alone, so that it compresses to nothing.

`python debug_sections.py FOLDER`, in the build environment, which has pyelftools. Half of some
wheels' modules is debugging information. Their layout stays as it is: no byte moves, and what is
loaded is not touched.
"""

import sys
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

BLANKED = (".debug_", ".symtab", ".strtab", ".gnu.build.attributes")
"""Beginnings of the names of sections that no loader reads."""


def main(folder: Path) -> None:
    """Blank those sections in every module below a folder."""
    for path in sorted(folder.rglob("*.so")):
        if path.read_bytes().startswith(b"\x7fELF"):  # macOS has modules of that name, too
            _blank(path)


def _blank(path: Path) -> None:
    content = bytearray(path.read_bytes())
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            is_loaded = section["sh_flags"] & SH_FLAGS.SHF_ALLOC
            if section.name.startswith(BLANKED) and not is_loaded:
                first, size = section["sh_offset"], section["sh_size"]
                content[first : first + size] = bytes(size)
    path.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
