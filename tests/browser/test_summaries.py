"""Summaries: the safe subset of Markdown, what is hostile in it, and where a page shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, wait_for_state
from tests.browser.used_pages import Theme
from tests.product import Installation

SHOWN = """async (text) => {
  const { markdown } = await import("/lib/markdown.js");
  const place = document.querySelector("#place") ?? document.body.appendChild(
    Object.assign(document.createElement("div"), { id: "place" }));
  place.replaceChildren(...markdown(text));
  return place.innerHTML;
}"""
"""Makes nodes of a text and reads them back as HTML."""

USED = """() => [...document.querySelectorAll("#place *")].map((element) =>
  [element.tagName.toLowerCase(), element.getAttributeNames().join(" "), element.href ?? ""])"""

TAGS = {
    *("p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "hr", "br"),
    *("strong", "em", "s", "a", "span", "small"),
    *("div", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"", "start", "class", "class tabindex", "rel target href title"}


@pytest.fixture(scope="module")
def page(browser: Browser, installation: Installation) -> Iterator[Page]:
    context = browser.new_context(base_url=installation.server.url)
    page = context.new_page()
    page.goto("/login")
    yield page
    context.close()


def shown(page: Page, text: str) -> str:
    html: str = page.evaluate(SHOWN, text)
    return re.sub(r' (rel|target|title|tabindex)="[^"]*"', "", html)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        ("one  \ntwo\\\nthree", "<p>one<br>two<br>three</p>"),
        ("# A\n## B ##\n###### C\n#no", "<h3>A</h3><h4>B</h4><h5>C</h5><p>#no</p>"),
        (
            "## A\n#### B\n- # c\n\n  ### d\n## E",
            "<h3>A</h3><h4>B</h4><ul><li># c<h4>d</h4></li></ul><h3>E</h3>",
        ),
        ("a\n# b\nc", "<p>a</p><h3>b</h3><p>c</p>"),
        (
            "**bold** and *it* and _it_, ~~no~~",
            "<p><strong>bold</strong> and <em>it</em> and <em>it</em>, <s>no</s></p>",
        ),
        ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
        ("snake_case_name 2 * 3 * 4 **", "<p>snake_case_name 2 * 3 * 4 **</p>"),
        ("*open **and `open", "<p>*open **and `open</p>"),
        ("**a *b** c*", "<p><strong>a *b</strong> c*</p>"),
        ("`a*b*` `` c`d ``", "<p><code>a*b*</code> <code>c`d</code></p>"),
        (r"\*no\* \# \[x\]", "<p>*no* # [x]</p>"),
        ("- a\n- b\n\n1. c\n2. d", "<ul><li>a</li><li>b</li></ul><ol><li>c</li><li>d</li></ol>"),
        ("3. c", '<ol start="3"><li>c</li></ol>'),
        (
            "> [!WARNING]\n> disk at **91 %**\nafter",
            '<blockquote class="alert-warning"><strong>Warning</strong>'
            "<p>disk at <strong>91 %</strong></p></blockquote><p>after</p>",
        ),
        ("> [!CAUTION]", '<blockquote class="alert-caution"><strong>Caution</strong></blockquote>'),
        ("> [!warning] x", "<blockquote><p>[!warning] x</p></blockquote>"),
        (
            "* a\n  * b\n    * c\n* d",
            "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>",
        ),
        ("* a\n\n  more\n* b", "<ul><li>a<p>more</p></li><li>b</li></ul>"),
        ("* a\n\nb", "<ul><li>a</li></ul><p>b</p>"),
        (
            "```sh\n<b> **x**\n\n# y\n```\nz",
            "<pre><code>&lt;b&gt; **x**\n\n# y</code></pre><p>z</p>",
        ),
        ("~~~\nnever closed", "<pre><code>never closed</code></pre>"),
        ("> a\n> # b\nc", "<blockquote><p>a</p><h3>b</h3></blockquote><p>c</p>"),
        ("a\n\n---\n***\nb", "<p>a</p><hr><hr><p>b</p>"),
        (
            "| a | *b* |\n|---|:-:|\n| 1 | x\\|y |\nend",
            '<div class="markdown-table"><table>'
            "<thead><tr><th>a</th><th><em>b</em></th></tr></thead>"
            "<tbody><tr><td>1</td><td>x|y</td></tr></tbody></table></div><p>end</p>",
        ),
        ("a | b\nc", "<p>a | b\nc</p>"),
        (
            "see https://a.example/x_y_z. And <https://b.example/?q=(1)>",
            '<p>see <a href="https://a.example/x_y_z">https://a.example/x_y_z</a>. And '
            '<a href="https://b.example/?q=(1)">https://b.example/?q=(1)</a></p>',
        ),
        (
            "[the *report*](http://a.example/r)",
            '<p><span><a href="http://a.example/r">the *report*</a>'
            '<small class="muted"> (a.example)</small></span></p>',
        ),
    ],
)  # fmt: skip
def test_the_subset_is_shown_as_markdown_means_it(page: Page, text: str, html: str) -> None:
    assert shown(page, text) == html
    assert shown(page, text.replace("\n", "\r\n")) == html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        "![x](https://evil.example/pixel.png)",
        "![x](data:image/svg+xml,<svg onload=alert(1)>)",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x) [y](file:///etc/passwd) [z](//evil.example) [w](/logout) [v](#x)",
        "<javascript:alert(1)> <data:text/html,x>",
        "&lt;script&gt; &#106;avascript:alert(1)",
        "[x]: javascript:alert(1)\n[x]",
        '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
        "<style>*{display:none}</style><svg><script>alert(1)</script></svg>",
    ],
)
def test_what_is_hostile_stays_text(page: Page, text: str) -> None:
    html = shown(page, text)

    assert page.locator("#place").inner_text().replace("\n", " ") == text.replace("\n", " ")
    assert html.count("<") == 2  # a paragraph's
    assert page.locator("#place :not(p)").count() == 0


@pytest.mark.parametrize(
    ("text", "href", "said"),
    [
        ("[bank.example](https://evil.example/)", "https://evil.example/", "(evil.example)"),
        ("[x](https://bank.example@evil.example/)", "https://bank.example@evil.example/",
         "(evil.example)"),
        ("[x](https://b\u0430nk.example/)", "https://xn--bnk-6cd.example/",
         "(xn--bnk-6cd.example)"),
        ("[\u202egpj.exe](https://a.example/)", "https://a.example/", "⟨U+202E⟩gpj.exe"),
    ],
)  # fmt: skip
def test_a_link_says_where_it_leads_and_tells_nothing_of_where_it_stands(
    page: Page, text: str, href: str, said: str
) -> None:
    shown(page, text)

    link = page.locator("#place a")
    expect(link).to_have_attribute("href", href)
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    assert said in page.locator("#place").inner_text()


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", " JAVASCRIPT:x", "data:text/html,x", "file:///x", "/x", ""]
)
def test_nothing_but_http_and_https_becomes_a_link_to_elsewhere(page: Page, target: str) -> None:
    made = page.evaluate(
        """async (target) => {
          const { outsideLink } = await import("/lib/dom.js");
          return outsideLink(target, "words")?.outerHTML ?? null;
        }""",
        target,
    )

    assert made is None


def test_hidden_characters_are_made_visible_wherever_they_stand(page: Page) -> None:
    shown(page, "# a\u202eb\n`c\u200bd`\n\n```\ne\x1bf\n```\n| g\x07h | i |\n|---|---|")

    text = page.locator("#place").inner_text()
    assert [sign in text for sign in ("a⟨U+202E⟩b", "c⟨U+200B⟩d", "e^[f", "g^Gh")] == [True] * 4


PARTS = [
    *("*", "**", "_", "`", "``", "~~", "#", "##", ">", "-", "1.", "|", "|--|--|", "```", "\\", "!"),
    *("[", "](", ")", "[a](https://e.example)", "https://x.example", "<", ">", "javascript:", "a"),
    *("b c", " ", "  ", "\n", "\n\n", "    ", "<b>", "&amp;", "\u202e", "---"),
]


@given(st.lists(st.sampled_from(PARTS), max_size=60).map("".join))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_written_makes_nothing_but_the_subset(page: Page, text: str) -> None:
    page.evaluate(SHOWN, text)

    for tag, attributes, href in page.evaluate(USED):
        assert tag in TAGS
        assert attributes in ATTRIBUTES
        assert href == "" or href.startswith(("https://e.example", "https://x.example"))


@pytest.mark.parametrize(
    "part",
    ["*a ", "**", "_a", "`", "`a", "``a` ", "[", "[a](", "> ", ">", "- ", "  - a\n", "|",
     "a|b\n|-|\n", "<", "https://", "\\", "![", "~~", "#", "1. a\n", "\n\n", "```\n", "* a\n\n",
     " ", "-", "| ", "[a](https://e.example) "],
)  # fmt: skip
def test_no_summary_holds_the_page_up(page: Page, part: str) -> None:
    text = part * (64 * 1024 // len(part))

    milliseconds = page.evaluate(
        """async (text) => {
          const { markdown } = await import("/lib/markdown.js");
          const began = performance.now();
          markdown(text);
          return performance.now() - began;
        }""",
        text,
    )

    assert milliseconds < 60_000  # a hang guard: each takes well under a second


TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: summarised}
spec:
  template:
    phases:
      - name: back-up
        outputs: [path, note]
        commands:
          - echo "path=/backup/a b.tar" >> $OPSICLE_OUTPUT
          - printf 'note<<END\\none\\n<b>two</b>\\nEND\\n' >> $OPSICLE_OUTPUT
          - |
            cat >> $OPSICLE_SUMMARY <<'END'
            # The backup can be restored

            * **12** files, in `orders`
            * <img src=x onerror=alert(1)> [report](https://reports.example/4711)

            | table | rows |
            |---|---|
            | orders | 4711 |
            END
      - {name: wait, timeout: 300, commands: ["while [ ! -e go ]; do sleep 0.1; done"]}
"""


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_a_page_shows_summary_and_outputs_while_the_automation_still_runs(
    open_page: OpenPage, installation: Installation, width: int, theme: Theme
) -> None:
    installation.push(TEMPLATE)
    ran = installation.admin.json("run", "summarised")
    page = open_page(f"/automations/{ran['id']}", width=width, theme=theme)

    summary = page.get_by_role("region", name="Summary")
    expect(summary.get_by_role("heading", level=3)).to_have_text("The backup can be restored")
    wait_for_state(page, "running")
    expect(summary.get_by_role("listitem")).to_have_count(2)
    expect(summary.get_by_role("cell", name="4711")).to_be_visible()
    assert summary.locator("img").count() == 0
    outputs = page.locator(".automation-facts section", has_text="Outputs")
    expect(outputs.locator("dt")).to_have_text(["path", "note"])
    expect(outputs.locator("dd")).to_have_text(["/backup/a b.tar", "one⏎\n<b>two</b>"])
    assert has_no_horizontal_scroll(page)

    installation.admin.cli("automations", "cancel", ran["id"])
    wait_for_state(page, "cancelled")
    kept = json.loads(installation.admin.cli("-o", "json", "automations", "show", ran["id"]))
    assert kept["outputs"] == {"path": "/backup/a b.tar", "note": "one\n<b>two</b>"}
    assert kept["summary"].startswith("# The backup can be restored\n\n* **12** files")
    said = installation.admin.cli("automations", "show", ran["id"])
    assert "\n# The backup can be restored\n" in said
    assert '\nOUTPUTS\npath="/backup/a b.tar"\nnote=one⏎<b>two</b>\n' in said
