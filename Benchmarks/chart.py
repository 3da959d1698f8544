#!/usr/bin/env python3
"""The README's chart from the figures of a run: for each row a bar as long as Merpati is faster (to the right) or slower (to the
left) than Debian's Dovecot, on a logarithmic axis; a tick where the target is. Draws docs/benchmarks.svg, readable in light and
dark."""

import html
import json
import math
import pathlib
import sys

from peers import ROOT

# Row, words on the chart. Rows whose own figure is aimed at, not the ratio, are shown by their ratio all the same.
SHOWN = [
    ("lmtp-1", "LMTP, 1 connection"), ("lmtp-16", "LMTP, 16 connections"), ("lmtp-64", "LMTP, 64 connections"),
    ("lmtp-one", "LMTP, 8 into one mailbox"),
    ("select-cold", "SELECT, cold"), ("select-warm", "SELECT, warm"), ("fetch-flags", "FETCH flags"),
    ("envelope-first", "FETCH envelopes, first"), ("envelope-again", "FETCH envelopes, again"),
    ("structure-first", "FETCH structures, first"), ("structure-again", "FETCH structures, again"),
    ("fetch-headers", "FETCH four header fields"), ("fetch-body", "FETCH whole messages"),
    ("search-subject", "SEARCH SUBJECT"), ("search-rare", "SEARCH BODY, rare word"),
    ("sort", "SORT by date"), ("thread", "THREAD"),
    ("store-add", "STORE on all"), ("copy", "COPY of all"), ("expunge", "EXPUNGE of all"), ("delete", "DELETE mailbox"),
    ("pop3-1", "POP3, one by one"), ("pop3-32", "POP3, pipelined"), ("pop3-dele", "POP3, with DELE"),
    ("login-imap", "IMAP logins"), ("login-pop3", "POP3 logins"), ("mixed", "mixed load, 16 clients"),
    ("idle-1000", "memory, idle connection"), ("idle-tls-1000", "memory, idle with TLS"), ("disk", "disk"),
]
LEFT, WIDTH, RIGHT, TOP, STEP = 200, 480, 80, 58, 20

STYLE = """
svg { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.ground { fill: #ffffff; } .text { fill: #1f2328; } .faint { fill: #59636e; } .grid { stroke: #d1d9e0; } .one { stroke: #59636e; }
.good { fill: #2f7d4f; } .bad { fill: #b35900; } .aim { stroke: #1f2328; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; } .text { fill: #e6edf3; } .faint { fill: #9198a1; } .grid { stroke: #30363d; } .one { stroke: #9198a1; }
.good { fill: #3fa66a; } .bad { fill: #e08a3c; } .aim { stroke: #e6edf3; }
}
"""


def words(value):
    return f"{value:,.0f}×" if value >= 20 else f"{value:.1f}×" if value >= 1 else f"{value:.2f}×"


def draw(run):
    rows = [(label, run["rows"][key]) for key, label in SHOWN if run["rows"].get(key, {}).get("ratio")]
    ratios = [row["ratio"] for _, row in rows] + [row["target"]["ratio"] or 1 for _, row in rows]
    low, high = math.floor(min(0, math.log2(min(ratios)))), math.ceil(math.log2(max(ratios)))

    def x(ratio):
        return LEFT + WIDTH * (math.log2(ratio) - low) / (high - low)

    height = TOP + STEP * len(rows) + 34
    width = LEFT + WIDTH + RIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           f'role="img" aria-label="Merpati against Dovecot, ratios">',
           f"<style>{STYLE}</style>", f'<rect class="ground" width="{width}" height="{height}"/>',
           f'<text class="text" x="12" y="22" font-size="15" font-weight="600">Merpati against Debian\'s Dovecot 2.3 (sdbox)</text>',
           '<text class="faint" x="12" y="42">times faster or smaller in the same run, medians; logarithmic; | the target</text>']
    step = 1 if high - low <= 8 else 2
    for power in range(low, high + 1, step):
        at, name, below = x(2.0 ** power), "one" if power == 0 else "grid", TOP + STEP * len(rows)
        text = f"{2 ** power}×" if power >= 0 else f"1/{2 ** -power}"
        out.append(f'<line class="{name}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 4}" y2="{below}"/>')
        out.append(f'<text class="faint" x="{at:.1f}" y="{below + 16}" text-anchor="middle" font-size="11">{text}</text>')
    for number, (label, row) in enumerate(rows):
        y, ratio = TOP + STEP * number, row["ratio"]
        begin, end = sorted((x(1), x(ratio)))
        kind = "good" if ratio >= 1 else "bad"
        out.append(f'<text class="text" x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{html.escape(label)}</text>')
        long = max(1.5, end - begin)
        out.append(f'<rect class="{kind}" x="{begin:.1f}" y="{y + 3}" width="{long:.1f}" height="{STEP - 7}" rx="2"/>')
        aim = row["target"]["ratio"]
        if aim:
            out.append(f'<line class="aim" x1="{x(aim):.1f}" x2="{x(aim):.1f}" y1="{y + 1}" y2="{y + STEP - 2}" '
                       f'stroke-width="1.5"/>')
        place = max(end, x(1), x(aim) if aim and x(aim) - end < 36 else 0) + 6
        out.append(f'<text class="text" x="{place:.1f}" y="{y + 13}" font-size="12">{words(ratio)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main(figures):
    run = json.loads(pathlib.Path(figures).read_text())
    (ROOT / "docs" / "benchmarks.svg").write_text(draw(run))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".build" / "bench.json"))
