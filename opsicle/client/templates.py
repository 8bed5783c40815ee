"""Calls about templates."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire import user_api as wire
from opsicle.wire.endpoints import templates as endpoints


class TemplateCalls(Calls):
    """Templates and their versions."""

    def templates(self) -> Iterator[wire.TemplateSummary]:
        """Yield all templates in their newest versions."""
        return self._pages(endpoints.LIST_TEMPLATES)

    def push(self, source: str) -> wire.Pushed:
        """Make this document the newest version of the template that it names."""
        return self._call(endpoints.PUSH, body=wire.SourceRequest(source=source))

    def template(self, name: str, version: int | None = None) -> wire.TemplateVersion:
        """Return one version, the newest unless told."""
        if version is None:
            return self._call(endpoints.SHOW, name)
        return self._call(endpoints.SHOW_VERSION, name, str(version))

    def template_versions(self, name: str) -> Iterator[wire.TemplateVersionSummary]:
        """Yield all versions of a template."""
        return self._pages(endpoints.LIST_VERSIONS, name)

    def diff(self, name: str, old: int, new: int) -> wire.TemplateDiff:
        """Return how two versions differ."""
        return self._call(endpoints.DIFF, name, query={"from": old, "to": new})

    def delete_template(self, name: str) -> None:
        """Take a template out of use."""
        self._call(endpoints.DELETE, name)
