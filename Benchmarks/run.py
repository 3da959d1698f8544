#!/usr/bin/env python3
"""make bench: the same work against Merpati and Debian's Dovecot in one run; prints the table, writes it to docs/benchmarks.md
between its marks, all figures to .build/bench.json and the README's chart from them. Rows and targets: rows.py.

  BENCH_ONLY=search,copy   only rows of these groups, or whose key begins so (keys and groups: --list)
  BENCH_QUICK=1            small and short, at most three minutes; writes no page (make bench-quick)
  BENCH_AGAINST=BINARY     an older merpati instead of Dovecot; the new one is .build/release/merpati or MERPATI_TEST_BINARY
  BENCH_LONG=1             the million too (make bench-long)
  BENCH_REPEATS=5  BENCH_MESSAGES=20000  BENCH_DELIVERIES=3000  BENCH_IDLE=1000,10000  BENCH_MIXED_SECONDS=10
  BENCH_MILLION=1000000
  BENCH_MERGE=1            together with BENCH_ONLY: the other rows as they stand in .build/bench.json; writes the page
  BENCH_JSON=FILE          where all figures go: .build/bench.json, or bench-part.json if it was not everything
"""

import os
import pathlib
import sys
import tempfile
import time

import chart
import groups_large
import groups_mail
import groups_sessions
import report
from bench import AGAINST, ONLY, QUICK, Bench, say, warn
from peers import ROOT
from rows import ROWS

MERGE = os.environ.get("BENCH_MERGE", "") not in ("", "0")
GROUPS = {"lmtp": groups_mail.lmtp, "mailbox": groups_mail.mailbox, **groups_sessions.GROUPS, **groups_large.GROUPS}


def main():
    if unknown := [argument for argument in sys.argv[1:] if argument != "--list"]:
        print(__doc__)
        return 0 if unknown in (["--help"], ["-h"]) else 64
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
        whole = MERGE or not (ONLY or QUICK or AGAINST or failed)
        figures = pathlib.Path(os.environ.get("BENCH_JSON") or ROOT / ".build" / ("bench.json" if whole else "bench-part.json"))
        if MERGE:
            report.merge(bench, figures)
        table = report.table(bench)
    say("\nMedians (minimum–maximum). Ratio: above 1 is in Merpati's favour.\n\n" + table)
    report.write_json(bench, figures, time.monotonic() - began)
    under = report.where() + (" Not all rows are of one run." if MERGE else "")
    say(f"\n{under} {time.monotonic() - began:.0f} s; all figures in {figures}")
    if whole:
        report.between(ROOT / "docs" / "benchmarks.md", "<!-- table -->", "<!-- end -->", f"{table}\n\n{under}")
        chart.main(figures)
    for line in bench.differing():
        warn(f"answers differ: {line}")
    return 1 if failed or bench.differing() else 0


if __name__ == "__main__":
    sys.exit(main())
