"""What a page of somebody else's can do with the session of whoever opens it (trust.md, W2)."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Request

from tests.product import Installation
from tests.support import wait_until

ATTACK = """<!doctype html><title>A page with cats</title>
<iframe name="unseen"></iframe>
<iframe id="framed" src="%(url)s/"></iframe>
<iframe sandbox="allow-scripts allow-forms" srcdoc='
  <form method="post" enctype="text/plain" action="%(url)s/api/v1/automations?by=nobody">
    <input name="{&quot;template&quot;: &quot;count&quot;, &quot;x&quot;: &quot;" value="&quot;}">
  </form>
  <script>document.forms[0].submit()</script>'></iframe>
<form method="post" enctype="text/plain" target="unseen"
      action="%(url)s/api/v1/automations?by=form">
  <input name='{"template": "count", "x": "' value='"}'>
</form>
<img src="%(url)s/api/v1/automations/%(running)s/cancel?by=image">
<script>
  document.forms[0].submit();
  const cancel = "%(url)s/api/v1/automations/%(running)s/cancel?by=script";
  fetch(cancel, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" });
</script>"""
WAYS = {"nobody", "form", "image", "script"}

REFUSED = re.compile(
    r'"method":"(GET|POST)","path":"/api/v1/automations(?:/\w+/cancel)?","status":(4\d\d)'
)
"""What was refused, in the log of a server."""


@contextmanager
def site(html: str, certificate: Path) -> Iterator[str]:
    """Serve a page from another port: another origin, yet the same site.

    So browsers send even those cookies along that are for the same site alone.
    """

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_of_another_site_changes_nothing_and_shows_nothing_of_ours(
    browser: Browser, installation: Installation, session: Path
) -> None:
    running = str(installation.admin.json("run", "count")["id"])
    said = installation.server.process.log()
    url = installation.server.url.rstrip("/")
    html = ATTACK % {"url": url, "running": running}
    ended: set[str] = set()

    def on_end(request: Request) -> None:
        ended.add(request.url.partition("?by=")[2])

    context = browser.new_context(storage_state=session)
    page = context.new_page()
    page.on("requestfinished", on_end)
    page.on("requestfailed", on_end)
    with site(html, installation.server.folder / "data/listener.pem") as elsewhere:
        page.goto(elsewhere)
        wait_until(lambda: page.title() and ended >= WAYS, what="all of their answers")

    assert page.frame_locator("#framed").locator("body").inner_text() == ""
    context.close()
    (ours,) = installation.look_at("automations?template=count&state=running,queued")["items"]
    assert (ours["id"], ours["is_cancel_requested"]) == (running, False)
    installation.admin.cli("automations", "cancel", running)
    refused = REFUSED.findall(installation.server.process.log()[len(said) :])
    assert sorted(refused) == [("GET", "405"), ("POST", "403"), ("POST", "403"), ("POST", "403")]
