"""The modules that read terminal output and lay out a log's lines, in the engine that runs them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from opsicle.server.dispatch.log_lines import LineCount
from tests.product import Installation

READ = """async ([pieces, limits]) => {
  const { LineBuffer } = await import("/lib/linebuffer.js");
  const buffer = new LineBuffer(limits ?? {});
  let offset = 0;
  for (const [phase, stream, bytes] of pieces) {
    buffer.append({ offset, phase, stream, at: 0, bytes: Uint8Array.from(bytes) });
    offset += bytes.length;
  }
  buffer.finish();
  return buffer.lines.map(
    ({ kind, text, runs, stream, phase, offset, number }) =>
      ({ kind, text, runs, stream, phase, offset, number }));
}"""

SWITCHES = ("bold", "dim", "italic", "underline", "strike", "inverse")
PLAIN = {"fg": None, "bg": None, **dict.fromkeys(SWITCHES, False)}
PARTS = [
    b"a",
    b"\r",
    b"\n",
    b"\b",
    b"\x1b",
    b"[",
    b"31m",
    b"0m",
    b"K",
    b"]",
    b"\x07",
    b"\xe2",
    b"\x82\xac",
    b";",
]


@pytest.fixture(scope="module")
def modules(browser: Browser, installation: Installation) -> Any:
    context = browser.new_context(base_url=installation.server.url)
    page = context.new_page()
    page.goto("/login")
    yield page
    context.close()


def lines(
    page: Page, *pieces: bytes | tuple[int, int, bytes], limits: dict[str, int] | None = None
) -> Any:
    given = [(0, 1, piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return page.evaluate(
        READ, [[[phase, stream, list(data)] for phase, stream, data in given], limits]
    )


def texts(page: Page, *pieces: bytes | tuple[int, int, bytes]) -> list[str]:
    return [line["text"] for line in lines(page, *pieces) if line["kind"] == "text"]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r20%\rdone\n", ["done"]),
        (b"long line\rshort\n", ["shortline"]),
        (b"long line\r\x1b[Kshort\n", ["short"]),
        (b"long line\x1b[2K\rnew\n", ["new"]),
        (b"abc\b\bX\n", ["aXc"]),
        (b"col\x1b[1GX\n", ["Xol"]),
        (b"\x1b]0;title\x07text\n", ["text"]),
        (b"\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\\n", ["link"]),
        (b"\x1b]never closed\nnext\n", ["", "next"]),
        (b"\x1bPdevice\x1b\\\x1b(Bx\x1b7\x1b[?25ly\x1b[2J\n", ["xy"]),
        (b"\x1b[31\nm\n", ["", "m"]),
        ("caf\u00e9 \u65e5\u672c\n".encode(), ["caf\u00e9 \u65e5\u672c"]),
        (b"\xff\xc3(\n", ["\ufffd\ufffd("]),
        (b"\xe2\x82", ["\ufffd"]),
        ("\u202eevil\u200b\n".encode(), ["⟨U+202E⟩evil⟨U+200B⟩"]),
        (b"\x00\x1f\x7f\n", ["^@^_^?"]),
        (b"a\tb\n", ["a\tb"]),
        (b"", []),
    ],
)
def test_output_is_shown_as_a_terminal_shows_it_where_that_does_no_harm(
    modules: Page, printed: bytes, shown: list[str]
) -> None:
    assert texts(modules, printed) == shown
    assert texts(modules, *[bytes([byte]) for byte in printed]) == shown  # whatever the pieces


@pytest.mark.parametrize(
    ("sequence", "style"),
    [
        (b"\x1b[31m", {"fg": 1}),
        (b"\x1b[1;4;94m", {"bold": True, "underline": True, "fg": 12}),
        (b"\x1b[38;5;196m", {"fg": "rgb(255, 0, 0)"}),
        (b"\x1b[38;5;3m", {"fg": 3}),
        (b"\x1b[38;5;232m", {"fg": "rgb(8, 8, 8)"}),
        (b"\x1b[48;2;1;2;3;7m", {"bg": "rgb(1, 2, 3)", "inverse": True}),
        (b"\x1b[38:2::1:2:3m", {"fg": "rgb(1, 2, 3)"}),
        (b"\x1b[4:3m", {"underline": True}),
        (b"\x1b[38;5;999m", {}),
        (b"\x1b[38;2;1;2m", {}),
        (b"\x1b[31m\x1b[m", {}),
        (b"\x1b[31;1m\x1b[22;39m", {}),
        (b"\x1b[8m", {}),
        (b"\x1b[99999999999999999999m", {}),
    ],
)
def test_a_style_is_read_as_ecma_48_says(
    modules: Page, sequence: bytes, style: dict[str, object]
) -> None:
    (line,) = (line for line in lines(modules, sequence + b"x\n") if line["kind"] == "text")
    shown = line["runs"][-1] if line["runs"] else PLAIN
    assert shown == {**PLAIN, **style}


def test_streams_and_phases_do_not_disturb_each_other(modules: Page) -> None:
    shown = lines(
        modules,
        (0, 1, b"\x1b[31mout "),
        (0, 2, b"err\n"),
        (0, 1, b"put\n"),
        (1, 1, b"new phase\n"),
        (0, 1, b"late\n"),
    )
    assert [
        (line["kind"], line["phase"], line["stream"], line["text"], line["number"])
        for line in shown
    ] == [
        ("phase", 0, 0, "", 0),
        ("text", 0, 1, "out put", 1),
        ("text", 0, 2, "err", 2),
        ("phase", 1, 0, "", 0),
        ("text", 1, 1, "new phase", 3),
        ("text", 0, 1, "late", 4),
    ]
    assert shown[4]["runs"] is None


def test_a_line_knows_the_byte_of_the_log_at_which_it_begins(modules: Page) -> None:
    shown = lines(modules, b"one\n\xe6\x97\xa5\n\n", b"four\nfi", b"ve\n")
    assert [(line["text"], line["offset"]) for line in shown if line["kind"] == "text"] == [
        ("one", 0), ("\u65e5", 4), ("", 8), ("four", 9), ("five", 14),
    ]  # fmt: skip


def test_beyond_its_limits_the_oldest_lines_go(modules: Page) -> None:
    shown = lines(modules, *[b"x\n"] * 30, limits={"lines": 20})
    assert len(shown) <= 20
    assert shown[-1]["number"] == 30


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.lists(st.sampled_from(PARTS), max_size=40), cut=st.integers(0, 40))
def test_where_the_pieces_end_makes_no_difference(
    modules: Page, data: list[bytes], cut: int
) -> None:
    whole = b"".join(data)
    at_once, in_two = lines(modules, whole), lines(modules, whole[:cut], whole[cut:])
    for line in (*at_once, *in_two):
        del line[
            "offset"
        ]  # of a line that begins with what is swallowed, it may be a little before the text
    assert at_once == in_two


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(
        st.tuples(
            st.sampled_from((0, 1)),
            st.sampled_from((1, 2)),
            st.lists(st.sampled_from((*PARTS, b"\n", b"\xff")), min_size=1, max_size=6).map(
                b"".join
            ),
        ),
        max_size=12,
    )
)
def test_lines_have_the_numbers_by_which_the_server_knows_them(
    modules: Page, pieces: list[tuple[int, int, bytes]]
) -> None:
    count, offset = LineCount(), 0
    expected = []
    for phase, stream, content in pieces:
        begins = count.begins((offset, phase, stream, 0, content))
        expected += [(each.line.number, phase, stream, each.line.offset) for each in begins]
        offset += len(content)

    shown = lines(modules, *pieces)

    assert [
        (line["number"], line["phase"], line["stream"], line["offset"])
        for line in shown
        if line["number"]
    ] == expected


def test_rows_hold_every_character_once_and_find_it_again(modules: Page) -> None:
    found = modules.evaluate(
        """async () => {
          const { LineBuffer } = await import("/lib/linebuffer.js");
          const { Rows } = await import("/lib/rows.js");
          const { LogParts } = await import("/lib/log-parts.js");
          const texts = ["short", "", "x".repeat(95), "日本語".repeat(30), "a\\tb".repeat(20),
                         "y".repeat(5000)];
          const text = texts.join("\\n");
          const buffer = new LineBuffer();
          const bytes = new TextEncoder().encode(text);
          buffer.append({ offset: 0, phase: 0, stream: 1, at: 0, bytes });
          const rows = new Rows(buffer, new LogParts());
          const answers = [];
          for (const isWrapped of [true, false]) {
            rows.layOut({ isWrapped, columns: 40 });
            const shown = buffer.lines.map(() => "");
            for (let row = 0; row < rows.count; row++) {
              const { index, line, start, end, hidden, isRest } = rows.at(row);
              if (hidden || isRest) continue;
              shown[index] += line.text.slice(start, end);
              if (rows.rowOf(index, start) !== row) answers.push(`row ${row} is not found again`);
            }
            const cut = buffer.lines.map((line) => line.text.slice(0, 2000));
            if (shown.join("|") !== cut.join("|"))
              answers.push(`wrong texts, wrapped ${isWrapped}`);
          }
          const before = rows.count;
          rows.rowOf(buffer.lines.length - 1, 4999);
          return [answers, rows.count > before];
        }"""
    )
    assert found == [[], True]


def test_rows_are_the_same_whether_lines_came_and_went_or_were_there_at_once(
    modules: Page,
) -> None:
    found = modules.evaluate(
        """async () => {
          const { LineBuffer } = await import("/lib/linebuffer.js");
          const { LogParts } = await import("/lib/log-parts.js");
          const { Rows } = await import("/lib/rows.js");
          const piece = (from, to) => {
            const buffer = new LineBuffer({}, { linesBefore: from });
            for (let i = from; i < to; i++) {
              const bytes = new TextEncoder().encode("z".repeat((i * 7) % 90) + "\\n");
              const stream = i % 3 ? 1 : 2;
              buffer.append({ offset: i * 100, phase: i < 300 ? 0 : 1, stream, at: 0, bytes });
            }
            return buffer;
          };
          const command = (at) => ({ command: `at ${at}`, state: "succeeded", log_offset: at });
          const phases = [[0, 5_000, 20_000], [30_000, 45_050]].map((starts, i) =>
            ({ name: `${i}`, failed_tries: [], commands: starts.map(command) }));
          const wrong = [];
          for (const isErrorsOnly of [false, true]) {
            const parts = new LogParts();
            parts.describe(phases);
            parts.isErrorsOnly = isErrorsOnly;
            parts.toggle("0.1");
            const buffer = piece(400, 500);
            const rows = new Rows(buffer, parts);
            rows.layOut({ isWrapped: true, columns: 40 });
            const check = (what) => {
              rows.shift(buffer.takeShifts());
              rows.changed(buffer.takeChanged());
              const anew = new Rows(buffer, parts);
              anew.layOut({ isWrapped: true, columns: 40 });
              const all = (them) => Array.from({ length: them.count }, (_, row) => {
                const { index, start, heading } = them.at(row);
                return `${index} ${start} ${heading?.key}`;
              }).join();
              if (all(rows) !== all(anew)) wrong.push(what);
            };
            check("at first");
            for (const from of [390, 250, 40, 0]) {
              buffer.prepend(piece(from, buffer.firstNumber - 1));
              check(`from ${from}`);
            }
            buffer.cutStart(130);
            check("cut");
            buffer.cutStart(3);
            buffer.extend(piece(500, 520));
            check("cut and more");
            buffer.prepend(piece(100, buffer.firstNumber - 1));
            buffer.cutStart(7);
            check("more and cut");
          }
          return wrong;
        }"""
    )
    assert found == []


def test_a_link_leads_only_inside_this_application(modules: Page) -> None:
    taken = modules.evaluate(
        """async () => {
          const { h } = await import("/lib/dom.js");
          const isTaken = (href) => {
            try { h("a", { href }); return true; } catch { return false; }
          };
          return ["javascript:alert(1)", "https://example.com", "//example.com", "data:text/html,x",
                  " /x", "/\\\\example.com", "/\\t/example.com"].filter(isTaken);
        }"""
    )
    assert taken == []


def test_a_diff_shows_lines_that_look_like_its_own_heads(modules: Any) -> None:
    shown = modules.evaluate(
        """async () => {
          const { diffView, changedLines } = await import("/components/diff.js");
          const texts = (view) => [...view.children].map((line) => line.textContent);
          const lines = ["--- a comment of SQL", "+++ x"];
          const heads = ["--- old", "+++ new", "@@ -1 +1 @@"];
          const whole = diffView([...heads, ...lines, ""].join("\\n"));
          return [texts(whole), texts(changedLines(lines))];
        }"""
    )

    assert shown == [
        ["@@ -1 +1 @@", "--- a comment of SQL", "+++ x"],
        ["--- a comment of SQL", "+++ x"],
    ]
