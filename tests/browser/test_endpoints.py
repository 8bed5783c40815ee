"""What the pages ask of the server, against the server's own description of itself."""

from __future__ import annotations

from tests.browser.conftest import OpenPage


def test_everything_that_the_pages_ask_for_is_in_the_description_of_the_api(
    open_page: OpenPage,
) -> None:
    page = open_page("/login", is_known=False)

    asked, described = page.evaluate(
        """async () => {
          const { ENDPOINTS, PREFIX } = await import("/lib/endpoints.js");
          const { paths } = await (await fetch("/api/openapi.json")).json();
          const described = Object.entries(paths).flatMap(([path, methods]) =>
            Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
          return [[...ENDPOINTS].map((each) => each.replace(" ", ` ${PREFIX}`)), described];
        }"""
    )

    assert len(asked) > 50
    assert set(asked) - set(described) == set()


def test_what_is_not_in_the_table_is_not_asked_for(open_page: OpenPage) -> None:
    page = open_page("/login", is_known=False)

    refused = page.evaluate(
        """async () => {
          const { get, addressOf } = await import("/lib/api.js");
          const message = await get("/nowhere").catch((error) => error.message);
          const options = { path: { name: "a/b?c" }, query: { from: 1, to: "" } };
          return [message, addressOf("/templates/{name}/diff", options)];
        }"""
    )

    assert refused == [
        "GET /nowhere is missing in lib/endpoints.js",
        "/api/v1/templates/a%2Fb%3Fc/diff?from=1",
    ]
