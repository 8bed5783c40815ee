"""The audit page: sentences, filters, and verification in the browser."""

from __future__ import annotations

import json
import re

import msgspec
from playwright.sync_api import expect

from opsicle.security.audit_key import AuditKey
from tests.audit_records import checkpoints, entries, header, lines
from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.product import Installation

VERDICTS = """async (changes) => {
  const { open } = await import("/lib/api.js");
  const { RecordCheck } = await import("/lib/audit-verification.js");
  const text = await (await open("/audit/export", {})).text();
  const verdicts = [];
  for (const change of changes) {
    const lines = text.trim().split("\\n").map((line) => JSON.parse(line));
    const entries = lines.filter(({ type }) => type === "entry");
    const signed = lines.filter(({ type }) => type === "checkpoint");
    const drop = (line) => lines.splice(lines.indexOf(line), 1);
    if (change === "an actor") entries[2].actor_name = "mallory@example.com";
    if (change === "an entry gone") drop(entries[2]);
    if (change === "the last gone") drop(entries.at(-1));
    if (change === "no checkpoints") signed.forEach(drop);
    if (change === "a signature") signed.at(-1).signature = "0".repeat(128);
    if (change === "a checkpoint") signed.at(-1).seq -= 1;
    const check = new RecordCheck();
    try {
      for (const line of lines) await check.take(line);
      verdicts.push(check.end().entries === entries.length ? "intact" : "too few");
    } catch (error) {
      verdicts.push(error.message);
    }
  }
  return verdicts;
}"""


def test_the_record_is_read_as_sentences_and_narrowed_in_the_address(
    open_page: OpenPage, installation: Installation
) -> None:
    ran = installation.admin.json("run", "hostile", "--follow")
    page = open_page("/audit")
    rows = page.locator(".audit tbody tr")
    ended = rows.filter(has_text=re.compile(r"Worker edge ended hostile version \d+ as succeeded"))
    expect(ended.first).to_be_visible()
    assert is_accessible(page)

    page.get_by_role("link", name="Runs").click()
    expect(rows.filter(has_text="logged in")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("link", name="Runs")).to_have_attribute("aria-current", "page")
    expect(rows.filter(has_text="began")).to_have_count(0)
    ended.first.click()
    dialog = page.get_by_role("dialog")
    raw = json.loads(dialog.get_by_label("The entry as it is").inner_text())
    assert (raw["verb"], raw["resource"]) == ("finish", f"automations/{ran['id']}")
    dialog.get_by_role("link", name="hostile version").click()
    expect(page).to_have_url(re.compile(ran["id"]))

    page.goto("/audit")
    page.get_by_label("Did").fill("never")
    page.get_by_label("Did").press("Enter")
    expect(page.get_by_text("Nothing like this")).to_be_visible()
    expect(rows).to_have_count(0)


def test_the_browser_itself_verifies_the_record(open_page: OpenPage) -> None:
    page = open_page("/audit")
    page.get_by_role("button", name="Verify").click()
    verdict = page.get_by_role("status").filter(has_text="The record is intact")
    expect(verdict).to_contain_text("Checked in this browser")
    page.reload()
    page.get_by_role("button", name="Verify").click()
    expect(verdict).to_contain_text("as before")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert download.value.suggested_filename == "audit-acme.jsonl"
    assert download.value.path().read_bytes().startswith(b'{"type":"header"')

    faults = {
        "nothing": "^intact$",
        "an actor": "^entry 3 was altered$",
        "an entry gone": "^entry 3 is missing: 4 stands in its place$",
        "the last gone": r"^entry \d+ is missing: a checkpoint says",
        "no checkpoints": "^checkpoint 1 is missing$",
        "a signature": "^checkpoint \\d+ was not signed with this key$",
        "a checkpoint": "^checkpoint \\d+ was not signed with this key$",
    }
    for found, expected in zip(page.evaluate(VERDICTS, list(faults)), faults.values(), strict=True):
        assert re.match(expected, found)


WITHOUT_SERVER = """async (lines) => {
  const { RecordCheck } = await import("/lib/audit-verification.js");
  const check = new RecordCheck();
  try {
    for (const line of lines) await check.take(JSON.parse(line));
    return String(check.end().signedTo);
  } catch (error) {
    return error.message;
  }
}"""


def test_the_browser_names_entries_by_their_epoch_after_a_restore(open_page: OpenPage) -> None:
    restored = {4: ("accept_restored", '{"epoch":2,"epoch_before":1}')}
    key, written = AuditKey.create(), list(entries(6, restored))
    export = [header(key), *checkpoints(key, 6, written), *written]

    def verdict(altered: int) -> str:
        said = list(export)
        if altered:
            said[altered + 1] = msgspec.structs.replace(said[altered + 1], actor_name="mallory")
        return str(page.evaluate(WITHOUT_SERVER, [line.decode() for line in lines(said)]))

    page = open_page("/audit")
    assert verdict(0) == "6 of epoch 2"
    assert verdict(3) == "entry 3 was altered"
    assert verdict(5) == "entry 5 of epoch 2 was altered"
