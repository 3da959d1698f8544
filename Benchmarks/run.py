#!/usr/bin/env python3
"""make bench: the same work against Merpati and Debian's Dovecot in one run; prints the table, writes it to docs/benchmarks.md
between its marks, all figures to .build/bench.json and the README's chart from them. Rows and targets: rows.py.

  BENCH_ONLY=search,copy   only rows of these groups, or whose key begins so (keys and groups: --list)
  BENCH_QUICK=1            small and short, at most three minutes; writes no page (make bench-quick)
  BENCH_AGAINST=BINARY     an older merpati instead of Dovecot; the new one is .build/release/merpati or MERPATI_TEST_BINARY
  BENCH_LONG=1             the million too (make bench-long)
  BENCH_REPEATS=5  BENCH_MESSAGES=20000  BENCH_DELIVERIES=3000  BENCH_IDLE=1000,10000  BENCH_MIXED_SECONDS=10
  BENCH_MILLION=1000000
  BENCH_JSON=FILE          instead of .build/bench.json        BENCH_PAGE=1  write the page and the chart whatever was run
"""

import os
import pathlib
import sys
import tempfile
import time

import groups_large
import groups_mail
import groups_sessions
import report
from bench import AGAINST, ONLY, QUICK, Bench, say, warn
from peers import ROOT
from rows import ROWS

GROUPS = {"lmtp": groups_mail.lmtp, "mailbox": groups_mail.mailbox, **groups_sessions.GROUPS, **groups_large.GROUPS}


def main():
    if "--list" in sys.argv:
        for row in ROWS:
            print(f"{row.group:8} {row.key:20} {row.title}")
        return 0
    began = time.monotonic()
    failed = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(pathlib.Path(folder))
        for name in bench.groups():
            say(f"{name}, {time.strftime('%H:%M:%S')}")
            try:
                GROUPS[name](bench)
            except (RuntimeError, OSError, ValueError) as error:
                failed.append(name)
                warn(f"{name} failed: {error}")
        table = report.table(bench)
    say("\nMedians (minimum–maximum). Ratio: above 1 is in Merpati's favour.\n\n" + table)
    json = pathlib.Path(os.environ.get("BENCH_JSON") or ROOT / ".build" / "bench.json")
    report.write_json(bench, json, time.monotonic() - began)
    say(f"\n{report.where()} {time.monotonic() - began:.0f} s; all figures in {json}")
    if os.environ.get("BENCH_PAGE") or not (ONLY or QUICK or AGAINST or failed):
        report.between(ROOT / "docs" / "benchmarks.md", "<!-- table -->", "<!-- end -->", f"{table}\n\n{report.where()}")
        import chart
        chart.main(json)
    for line in bench.differing():
        warn(f"answers differ: {line}")
    return 1 if failed or bench.differing() else 0


if __name__ == "__main__":
    sys.exit(main())
