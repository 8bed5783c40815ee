"""The pages in German and English, and times by the locale, the zone and the wish of the reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import flaws
from tests.browser.conftest import PATIENCE_MS
from tests.browser.layout import fits
from tests.browser.test_half_loaded import hold, release
from tests.browser.used_pages import MOTION
from tests.product import PASSWORD, Installation

Open = Callable[..., Page]
EMAIL = "greta@example.com"


@pytest.fixture(scope="module")
def open_in(browser: Browser, installation: Installation) -> Iterator[Open]:
    """Return what opens a page in a browser of some locale and time zone."""
    contexts = []

    def open_one(locale: str, path: str, zone: str = "Europe/Berlin") -> Page:
        context = browser.new_context(
            base_url=installation.server.url,
            locale=locale,
            timezone_id=zone,
            reduced_motion=MOTION,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(path)
        page.get_by_role("heading", level=1).wait_for()
        return page

    yield open_one
    for context in contexts:
        context.close()


def log_in(page: Page) -> None:
    page.locator("[name=email]").fill(EMAIL)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[type=submit]").click()
    page.locator(".rail-more").wait_for(state="attached")


def test_a_person_reads_the_pages_in_their_language_wherever_they_log_in(
    installation: Installation, open_in: Open
) -> None:
    installation.account(EMAIL, "member")
    german = open_in("de-AT", "/login")
    expect(german.locator("html")).to_have_attribute("lang", "de")
    expect(german.get_by_role("heading", level=1)).to_have_text("Anmelden")

    german.get_by_role("button", name="English").click()
    expect(german.get_by_role("heading", level=1)).to_have_text("Log in")
    german.get_by_role("button", name="Deutsch").click()
    expect(german.get_by_role("heading", level=1)).to_have_text("Anmelden")

    log_in(german)
    for path, title in (
        ("/", "Start"),
        ("/templates", "Vorlagen"),
        ("/automations", "Automationen"),
        ("/approvals", "Genehmigungen"),
        ("/people", "Personen"),
        ("/profile", "Profil"),
    ):
        german.goto(path)
        expect(german.get_by_role("heading", level=1)).to_have_text(title)
        expect(german.locator("main .loading")).to_have_count(0)
        assert flaws(german, "html") == [], path
        for width in (1100, 740, 360, 320):
            german.set_viewport_size({"width": width, "height": 740})
            assert fits(german), f"{path}, {width} px"

    german.get_by_label("Sprache").select_option("de")
    german.get_by_label("Zeitzone").select_option("Asia/Tokyo")
    german.get_by_label("Zeiten", exact=True).select_option("exact")
    german.get_by_role("button", name="Speichern").click()
    times = german.locator("main time").first
    expect(times).to_have_attribute("title", re.compile(r"^(gerade eben|vor ).*\(Asia/Tokyo\)$"))

    other = open_in("en-US", "/login", "America/New_York")
    log_in(other)
    expect(other.locator("html")).to_have_attribute("lang", "de")
    other.goto("/profile")
    expect(other.get_by_label("Zeitzone")).to_have_value("Asia/Tokyo")
    shown = other.locator("main time").first
    at = shown.get_attribute("datetime")
    asia = {"dateStyle": "medium", "timeStyle": "short", "timeZone": "Asia/Tokyo"}
    expect(shown).to_have_text(
        other.evaluate(
            "([at, how]) => new Intl.DateTimeFormat('de', how).format(new Date(at))", [at, asia]
        )
    )

    # What is typed is meant in that zone too, wherever the browser stands.
    with other.expect_request(re.compile("/logs/search")) as asked:
        other.goto("/logs?text=any&since=2026-10-25&until=2026-10-26")
    sent = parse_qs(urlsplit(asked.value.url).query)
    assert sent["since"] == ["2026-10-24T15:00:00.000Z"]
    assert sent["until"] == ["2026-10-25T15:00:00.000Z"]
    assert "since=2026-10-25" in other.url
    expect(other.get_by_label("Seit", exact=True)).to_have_value("2026-10-25T00:00")

    other.goto("/templates/count/run")
    other.get_by_label("Beginn").fill("2020-01-01T02:00")
    with other.expect_request(lambda request: request.method == "POST") as planned:
        other.locator("main [type=submit]").click()
    assert planned.value.post_data_json["start_at"] == "2019-12-31T17:00:00.000Z"
    expect(other.locator(".field-error:visible")).to_have_count(1)


def test_what_the_server_says_is_read_in_german_too(open_in: Open) -> None:
    page = open_in("de-DE", "/login")
    page.locator("[name=email]").fill("nobody@example.com")
    page.locator("[name=password]").fill("wrong-wrong-wrong")
    page.locator("[type=submit]").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nicht angemeldet")
    expect(alert).to_contain_text("Die E-Mail-Adresse oder das Passwort ist falsch")
    sentences = page.evaluate(
        """async () => {
          const { loadErrors, said } = await import("/de/lib/server-texts.js");
          await loadErrors();
          return [
            "phase check failed with exit code 3, at attempt 2",
            "no connected worker has label a=b: w1 fits, but was stopped; "
              + "w2 would fit, but is not connected",
            "rejected by bob@example.com: it was not run: twice",
            "rejected by bob@example.com: no; was stopped; everything",
            "edge is busy; it was not run: aborted by bob@example.com: edge is busy; everything",
            "it could not start on e1: the org is suspended: unpaid; was stopped",
            "it ended failed on e1, e2; it ended timed_out on e3",
            "a sentence of tomorrow; edge is busy",
            "it waits for approval: ops: 1 of a@example.com; more: 2 of b@example.com",
            "the org is suspended, and is deleted on 2026-12-24: unpaid bill; everything",
            "the org is suspended",
            "not before 2026-12-01 00:14:42 UTC (set by alice@example.com)",
            "the document cannot be used: 2 mistakes",
            "`prod` is not an option (did you mean `prd`?); it must be `dev` or `prd`",
            "unknown field `comands` (did you mean `commands`?); known here: `name`",
            "`x` is not an option; it must be `a`, `b` or `c`",
            "there is no template rotate",
            "the template rotate changed meanwhile",
            "the password is shorter than 12 characters",
            "you may not invite bob@example.com as admin: that takes more than you may yourself"
              + " (people)",
            "the document cannot be used: it is empty",
            "it speaks manifest formats 3, 4; this server needs one of 7, 8",
            // What only looks like a sentence that is known
            "update the whole fleet first, and then look again",
            "the policy that was shown is another one by now",
            "the box that nobody has opened yet is busy",
            "it must be signed by somebody who may",
            "edge. Another worker may take it, but that is busy",
            "there is no template of this name. Look at who may see it",
            "there is no template " + "x".repeat(1000), // no text may keep the page busy
          ].map(said);
        }"""
    )
    assert sentences == [
        "Phase check ist beim Versuch 2 mit Exit-Code 3 fehlgeschlagen",
        "kein verbundener Worker hat das Label a=b: w1 passt, aber: wurde angehalten; "
        "w2 würde passen, aber: ist nicht verbunden",
        "abgelehnt von bob@example.com: it was not run: twice",
        "abgelehnt von bob@example.com: no; was stopped; everything",
        "edge ist belegt; es wurde nicht ausgeführt: aufgegeben von bob@example.com: "
        "edge is busy; everything",
        "auf e1 konnte es nicht beginnen: die Organisation ist ausgesetzt: unpaid; was stopped",
        "auf e1, e2 ist es fehlgeschlagen; auf e3 lief die Zeit ab",
        "a sentence of tomorrow; edge ist belegt",
        "es wartet auf Genehmigung: ops: 1 von a@example.com; more: 2 von b@example.com",
        "die Organisation ist ausgesetzt und wird am 2026-12-24 gelöscht: unpaid bill; everything",
        "die Organisation ist ausgesetzt",
        "nicht vor 01.12.2026, 01:14:42 MEZ (gesetzt von alice@example.com)",
        "das Dokument ist nicht zu gebrauchen: 2 Fehler",
        "`prod` ist keine der Optionen (war `prd` gemeint?); möglich: `dev` oder `prd`",
        "unbekanntes Feld `comands` (war `commands` gemeint?); hier bekannt: `name`",
        "`x` ist keine der Optionen; möglich: `a`, `b` oder `c`",
        "es gibt keine Vorlage rotate",
        "die Vorlage rotate hat sich inzwischen geändert",
        "das Passwort ist kürzer als 12 Zeichen",
        "nicht erlaubt: bob@example.com als admin einladen. Das braucht mehr, "
        "als das eigene Konto darf (people)",
        "das Dokument ist nicht zu gebrauchen: es ist leer",
        "er spricht die Manifestformate 3, 4; dieser Server braucht eines von 7, 8",
        "update the whole fleet first, and then look again",
        "the policy that was shown is another one by now",
        "the box that nobody has opened yet is busy",
        "it must be signed by somebody who may",
        "edge. Another worker may take it, but that is busy",
        "there is no template of this name. Look at who may see it",
        f"there is no template {'x' * 1000}",
    ]
    offered = page.evaluate(
        """async () => {
          const { fieldsAt } = await import("/de/lib/schema.js");
          const variables = { type: "array", description: "What it asks for." };
          return fieldsAt({ properties: { variables } }, []).map(({ about }) => about);
        }"""
    )
    assert offered == ["Wonach sie fragt."]

    page.goto("/invitation#token=nobodys")
    expect(page.get_by_role("alert")).to_contain_text("Dieser Link führt nirgends hin")
    page.get_by_role("link", name="Zur Anmeldung", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Anmelden")


def test_what_is_shown_before_its_german_has_come_is_german_once_it_has(open_in: Open) -> None:
    page = open_in("de-DE", "/login")
    held = hold(page, "**/sentences.js")
    page.reload()
    heading = page.get_by_role("heading", level=1)
    heading.wait_for()
    page.evaluate(
        """async () => {
          const { said } = await import("/de/lib/server-texts.js");
          const { sentence } = await import("/de/components/problems.js");
          const add = (text) => document.querySelector("h1").append(text, " / ");
          add(`3: ${said("there is no template rotate")}`);
          add(sentence("the template rotate changed meanwhile"));
          add(said("a sentence of tomorrow"));
        }"""
    )
    expect(heading).to_contain_text("3: there is no template rotate / The template rotate")

    release(page, held)

    expect(heading).to_contain_text(
        "3: es gibt keine Vorlage rotate / Die Vorlage rotate hat sich inzwischen geändert"
        " / a sentence of tomorrow"
    )


READ = """async (folder) => {
  const times = await import(`${folder}/lib/times.js`);
  const { sizeText } = await import(`${folder}/lib/bytes.js`);
  const { listText, number, plural } = await import(`${folder}/lib/language.js`);
  const runs = (count) => plural(count, { one: `${count} run`, other: `${number(count)} runs` });
  return [
    times.instantOf("2026-10-25T02:30"), times.instantOf("2026-03-29T03:00"),
    ...["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-03-29T00:59:59Z",
        "2026-03-29T01:00:00Z"].map(times.exactTime),
    times.clockTime(Date.parse("2026-10-25T01:30:00.250Z")),
    times.durationText(4_230), times.durationText(200_000_000), sizeText(4_300),
    number(150_007), runs(1), runs(1234), listText(["a", "b", "c"]),
  ];
}"""


@pytest.mark.parametrize(
    ("locale", "folder", "shown"),
    [
        (
            "de-DE",
            "/de",
            [
                "2026-10-25T00:30:00.000Z",
                "2026-03-29T01:00:00.000Z",
                "25.10.2026, 02:30:00 MESZ",
                "25.10.2026, 02:30:00 MEZ",
                "29.03.2026, 01:59:59 MEZ",
                "29.03.2026, 03:00:00 MESZ",
                "02:30:00.250",
                "4,2 s",
                "2 T 7 h",
                "4,2 KiB",
                "150.007",
                "1 run",
                "1.234 runs",
                "a, b und c",
            ],
        ),
        (
            "en-US",
            "",
            [
                "2026-10-25T00:30:00.000Z",
                "2026-03-29T01:00:00.000Z",
                "Oct 25, 2026, 2:30:00 AM GMT+2",
                "Oct 25, 2026, 2:30:00 AM GMT+1",
                "Mar 29, 2026, 1:59:59 AM GMT+1",
                "Mar 29, 2026, 3:00:00 AM GMT+2",
                "02:30:00.250",
                "4.2 s",
                "2 d 7 h",
                "4.2 KiB",
                "150,007",
                "1 run",
                "1,234 runs",
                "a, b, and c",
            ],
        ),
    ],
)
def test_times_and_numbers_are_written_by_the_locale_also_where_an_hour_is_missing_or_twice(
    open_in: Open, locale: str, folder: str, shown: list[str]
) -> None:
    page = open_in(locale, "/login")

    assert page.evaluate(READ, folder) == shown


ENDS_IN_BERLIN = [
    "2026-10-24T22:00:00.000Z",
    "2026-10-25T23:00:00.000Z",
    "2026-10-26T23:00:00.000Z",
]
ENDS_IN_KOLKATA = [
    "2026-10-25T18:30:00.000Z",
    "2026-10-26T18:30:00.000Z",
    "2026-10-27T18:30:00.000Z",
]


def test_a_day_ends_at_midnight_in_the_readers_zone_though_it_may_have_25_hours(
    open_in: Open,
) -> None:
    page = open_in("de-DE", "/login")
    page.clock.set_fixed_time("2026-10-24T20:00:00Z")

    found = page.evaluate(
        """async () => {
          const { dayAfter, ago, today } = await import("/de/lib/times.js");
          const { setMe } = await import("/de/lib/session.js");
          const days = () => [1, 2, 3].map((count) => new Date(dayAfter(count)).toISOString());
          const here = [...days(), today()];
          setMe({ display: { language: "", time_zone: "Asia/Kolkata", times: "exact" } });
          const { textContent, title } = ago("2026-10-24T19:57:00Z");
          return [here, [...days(), today()], textContent, title];
        }"""
    )

    assert found == [
        [*ENDS_IN_BERLIN, "2026-10-24"],
        [*ENDS_IN_KOLKATA, "2026-10-25"],
        "25.10.2026, 01:27",
        "vor 3 Min. (Asia/Kolkata)",
    ]
