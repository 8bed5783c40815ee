"""The browser's modules and style sheets as they are served: few files in place of a hundred.

What `app.js` imports, and what more than one page imports, goes out in one file as `app.js`; the
style sheets of the page go out as `app.css`. A page, and what only it uses, stays a file of its own
that is fetched when the page is shown. Each module keeps its lines, in a function of its own.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from opsicle.kit import resources

SCRIPT = "app.js"
STYLE = "app.css"

_FROM = re.compile(r'^(import|export) (\{[^}]*\}) from "([^"]+)";', re.MULTILINE)
_EXPORTED = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_SHEETS = re.compile(r'(?:\s*<link rel="stylesheet" href="/([^"]+)">)+')
_SHEET = re.compile(r'<link rel="stylesheet" href="/([^"]+)">')


class _Sources(dict[str, bytes]):
    """Files by their names. What is not kept is read."""

    def __missing__(self, name: str) -> bytes:
        return resources.asset(name)


class Joined:
    """The application's files by their names, under a prefix that changes with their content."""

    def __init__(self) -> None:
        names = resources.asset_names()
        self._sources = _Sources((name, resources.asset(name)) for name in names)
        digest = hashlib.sha256()
        for name, content in self._sources.items():
            digest.update(b"%s\0%d\0%s" % (name.encode(), len(content), content))
        self.prefix = f"v-{digest.hexdigest()[:16]}/"
        self._modules = self._chosen()
        self.names = frozenset({*names, STYLE})
        self._sources.clear()  # half a megabyte, most of which nobody may ever ask for

    def content(self, name: str) -> bytes:
        """Return what goes out under one of `names`."""
        if name == "index.html":
            return self._page().encode()
        if name == STYLE:
            return b"\n".join(self._sources[sheet] for sheet in _SHEET.findall(self._index()))
        if not name.endswith(".js"):
            return self._sources[name]
        if name == SCRIPT:
            return self._joined().encode()
        return (self._handle(name) if name in self._modules else self._alone(name)).encode()

    def _index(self) -> str:
        return self._sources["index.html"].decode()

    def _page(self) -> str:
        """Return the page with the addresses that are kept for good."""
        page = _SHEETS.sub(
            f'\n    <link rel="stylesheet" href="/{self.prefix}{STYLE}">', self._index(), count=1
        )
        return page.replace(f'src="/{SCRIPT}"', f'src="/{self.prefix}{SCRIPT}"')

    def _chosen(self) -> list[str]:
        """Return the modules that go out joined, each after those that it imports."""
        imports = {name: self._imports(name) for name in self._sources if name.endswith(".js")}
        pages = (name for name in imports if name.startswith("pages/"))
        uses = Counter(
            module for page in pages for module in _with_imports(imports[page], imports, {})
        )
        shared = (module for module, count in uses.items() if count > 1)
        return list(_with_imports([*shared, SCRIPT], imports, {}))

    def _imports(self, name: str) -> list[str]:
        return [_target(name, reference) for _, _, reference in _FROM.findall(self._text(name))]

    def _text(self, name: str) -> str:
        return self._sources[name].decode()

    def _joined(self) -> str:
        return "export const modules = {};\n" + "".join(map(self._wrapped, self._modules))

    def _wrapped(self, name: str) -> str:
        """Return a module as a function that is called at once and gives what it exports."""
        text = _FROM.sub(self._taken_from(name), self._text(name))
        text = _EXPORTED.sub(r"\1 \2", text)
        if unknown := _UNKNOWN.search(text):
            raise ValueError(f"{name}: only named imports and exports are joined: {unknown[0]}")
        exported = ", ".join(self._exports(name))
        return (
            f'modules["{name}"] = (() => {{ // {name}\n{text}\nreturn {{ {exported} }};\n}})();\n'
        )

    def _exports(self, name: str) -> list[str]:
        text = self._text(name)
        passed = (names for kind, names, _ in _FROM.findall(text) if kind == "export")
        own = [exported for _, exported in _EXPORTED.findall(text)]
        return own + [word for names in passed for word in re.findall(r"\w+", names)]

    def _handle(self, name: str) -> str:
        """Return a module that gives what the joined one of this name exports."""
        exported = ", ".join(self._exports(name))
        taken = f'export const {{ {exported} }} = modules["{name}"];\n' if exported else ""
        return f"{self._import_line()}\n{taken}"

    def _alone(self, name: str) -> str:
        """Return a module that is not joined, with what it uses of those that are."""
        text = _FROM.sub(self._taken_from(name), self._text(name))
        return f"{self._import_line()} {text}"

    def _import_line(self) -> str:
        return f'import {{ modules }} from "/{self.prefix}{SCRIPT}";'

    def _taken_from(self, name: str) -> Callable[[re.Match[str]], str]:
        def taken(found: re.Match[str]) -> str:
            target = _target(name, found[3])
            if target not in self._modules:
                return found[0]
            return f'const {found[2].replace(" as ", ": ")} = modules["{target}"];'

        return taken


@cache
def joined() -> Joined:
    """Return the application's files, which stay as they are while the program runs."""
    return Joined()


def _with_imports(
    names: Iterable[str], imports: Mapping[str, list[str]], found: dict[str, None]
) -> dict[str, None]:
    """Add modules and what they import, directly or not, each after those that it imports."""
    for name in names:
        if name not in found:
            _with_imports(imports[name], imports, found)
            found[name] = None
    return found


def _target(name: str, reference: str) -> str:
    """Return the file that a module means by a reference."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), reference))
