"""The trail of an automation: orders, and their signatures verified by the browser itself."""

from __future__ import annotations

from contextlib import closing

import apsw
from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.product import Installation

VERDICTS = """async ([id, changes]) => {
  const { get } = await import("/lib/api.js");
  const { verifyOrders } = await import("/lib/order-verification.js");
  const path = { automation_id: id };
  const problems = {};
  for (const change of changes) {
    const trail = await get("/automations/{automation_id}/orders", { path });
    const [job] = trail.jobs;
    const [order] = job.orders;
    const other = btoa("x".repeat(64));
    if (change === "the order") order.content = btoa(atob(order.content).replace(id, "0"));
    if (change === "no order") order.content = btoa("{}");
    if (change === "the signature") order.signature = other;
    if (change === "its length") order.signature = btoa("x");
    if (change === "the key") order.key = "sha256:0";
    if (change === "the keys") trail.keys = [];
    if (change === "the fence") order.fence += 1;
    if (change === "the job") job.fence += 1;
    if (change === "the worker") job.worker.id = id;
    if (change === "the plan") job.is_plan = true;
    if (change === "the org") trail.org_id = id;
    if (change === "the manifest") trail.manifests[0] += " ";
    if (change === "an order gone") [job.orders, job.missing] = [[], 1];
    const verdicts = await verifyOrders(trail);
    problems[change] = verdicts.map(({ problem }) => problem);
  }
  return problems;
}"""

UNFIT, STORED = "Its signature does not fit it.", "What is stored is not as it was ordered: "
UNKNOWN = "It is signed with a key that is not known here, "
ALTERED = {
    "nothing": "",
    "the order": UNFIT,
    "no order": UNFIT,
    "the signature": UNFIT,
    "its length": UNFIT,
    "the key": UNKNOWN,
    "the keys": UNKNOWN,
    "the fence": f"{STORED}fencing token.",
    "the job": f"{STORED}fencing token.",
    "the worker": f"{STORED}worker.",
    "the plan": f"{STORED}plan.",
    "the org": f"{STORED}org.",
    "the manifest": "What is stored of the automation is not what was ordered.",
    "an order gone": "An order that was given for this job is gone.",
}


def test_the_browser_verifies_each_order_and_sees_what_was_altered(
    open_page: OpenPage, installation: Installation
) -> None:
    ran = installation.admin.json("run", "hostile", "--follow")["id"]
    page = open_page(f"/automations/{ran}?view=trail")
    orders = page.locator("section").filter(
        has=page.get_by_role("heading", name="Orders", exact=True)
    )
    expect(orders.get_by_text("Verified in this browser: the signature")).to_have_count(1)
    expect(orders.get_by_text("edge was ordered to run it")).to_be_visible()
    expect(orders.get_by_text("Key of this server, sha256:")).to_be_visible()
    assert is_accessible(page)

    found = page.evaluate(VERDICTS, [ran, list(ALTERED)])
    assert {change: len(problems) for change, problems in found.items()} == dict.fromkeys(found, 1)
    for change, problem in ALTERED.items():
        assert found[change][0].startswith(problem), change
        assert bool(found[change][0]) == bool(problem), change

    with closing(apsw.Connection(str(installation.server.folder / "data" / "opsicle.db"))) as db:
        db.set_busy_timeout(60_000)
        db.execute("UPDATE automations SET reason = 'another' WHERE id = ?", (ran,))
    page.reload()
    expect(orders.get_by_text("Does not verify.")).to_be_visible()
    expect(orders.get_by_text("Verified in this browser")).to_have_count(0)
