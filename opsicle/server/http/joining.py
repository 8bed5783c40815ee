"""The browser's modules and style sheets as they are served: few files in place of a hundred.

What `app.js` imports, and what more than one page imports, goes out in one file as `app.js`; the
style sheets of the page go out as `app.css`, and what the server says in its errors as
`sentences.js` of a language. A page, and what only it uses, stays a file of its own
that is fetched when the page is shown. Each module keeps its lines, in a function of its own, but
what its comments say. Under the name of a language are the modules with their texts in it.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from opsicle.kit import resources
from opsicle.server.http.translations import SOURCE, Catalog, catalog, languages, sentences

PAGE = "index.html"
SCRIPT = "app.js"
STYLE = "app.css"
SENTENCES = "sentences.js"

_FROM = re.compile(r'^(import|export) (\{[^}]*\}) from "([^"]+)";', re.MULTILINE)
_EXPORTED = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_SHEETS = re.compile(r'(?:\s*<link rel="stylesheet" href="/([^"]+)">)+')
_SHEET = re.compile(r'<link rel="stylesheet" href="/([^"]+)">')
_CSS_COMMENT = re.compile(rb" */\*.*?\*/", re.DOTALL)
_COMMENT = re.compile(r"^ *(?://.*|/\*\*(?s:.*?)\*/)$", re.MULTILINE)


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
        self._catalogs: dict[str, Catalog] = {SOURCE: Catalog({})}
        self.languages = languages()
        translated = {name for name in names if name.endswith(".js")} | {PAGE, SENTENCES}
        others = (f"{language}/{name}" for language in self.languages[1:] for name in translated)
        self.names = frozenset({*names, STYLE, *others})
        self._sources.clear()  # half a megabyte, most of which nobody may ever ask for

    def content(self, name: str) -> bytes:
        """Return what goes out under one of `names`."""
        folder, _, rest = name.partition("/")
        if folder in self.languages and rest == SENTENCES:
            return b"export const SENTENCES = %s;" % sentences(folder)
        if folder in self.languages:
            return self._in_language(folder, rest).encode()
        if name == STYLE:
            sheets = b"\n".join(self._sources[sheet] for sheet in _SHEET.findall(self._index()))
            return _CSS_COMMENT.sub(b"", sheets)
        if name.endswith(".js") or name == PAGE:
            return self._in_language(SOURCE, name).encode()
        return self._sources[name]

    def _in_language(self, language: str, name: str) -> str:
        """Return the page or a module in one of the languages."""
        texts = self._catalogs.get(language)
        if texts is None:
            texts = self._catalogs[language] = catalog(language)
        folder = self.prefix if language == SOURCE else f"{self.prefix}{language}/"

        if name == PAGE:
            return texts.translate_page(self._page(folder, language))
        if name == SCRIPT:
            modules = (self._wrapped(module, texts) for module in self._modules)
            return "export const modules = {};\n" + "".join(modules)
        line = f'import {{ modules }} from "/{folder}{SCRIPT}";'
        is_joined = name in self._modules
        return (
            f"{line}\n{self._handle(name)}" if is_joined else f"{line} {self._alone(name, texts)}"
        )

    def _index(self) -> str:
        return self._sources[PAGE].decode()

    def _page(self, folder: str, language: str) -> str:
        """Return the page with the addresses that are kept for good."""
        page = _SHEETS.sub(
            f'\n    <link rel="stylesheet" href="/{self.prefix}{STYLE}">', self._index(), count=1
        )
        page = page.replace(f'src="/{SCRIPT}"', f'src="/{folder}{SCRIPT}"')
        return page.replace(f'lang="{SOURCE}"', f'lang="{language}"', 1)

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

    def _wrapped(self, name: str, texts: Catalog) -> str:
        """Return a module as a function that is called at once and gives what it exports."""
        text = _EXPORTED.sub(r"\1 \2", self._alone(name, texts))
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
        return f'export const {{ {exported} }} = modules["{name}"];\n' if exported else ""

    def _alone(self, name: str, texts: Catalog) -> str:
        """Return a module with its texts in a language, and what it uses of the joined ones."""
        text = _FROM.sub(self._taken_from(name), without_comments(self._text(name)))
        return texts.translate(name, text)

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


def without_comments(module: str) -> str:
    """Return a module with blank lines in place of its comments."""
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), module)


def _target(name: str, reference: str) -> str:
    """Return the file that a module means by a reference."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), reference))
