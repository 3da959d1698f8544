"""The table and the JSON of a run."""

import json
import os
import platform
import statistics
import subprocess
import time

from peers import ROOT
from rows import ROWS, TABLE


def number(value):
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def machine():
    model = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal:"))
    return f"{os.cpu_count()} cores of {model}, {memory / 1048576:.0f} GiB, Linux {platform.release().partition('-')[0]}"


LOAD = os.getloadavg()[0]  # what others did when the run began


def where():
    """For under a table."""
    return f"{machine()}, {time.strftime('%-d %B %Y')}; load of the machine when the run began: {LOAD:.1f}."


def cpu_seconds(pairs):
    """Medians of the server's and the generator's CPU seconds of one repetition."""
    if not pairs:
        return ""
    return " / ".join(number(statistics.median(values)) for values in zip(*pairs))


class Line:
    """One row as it came out."""

    def __init__(self, row, noted, names):
        self.row = row
        self.values = {name: noted["values"].get(name, []) for name in names}
        self.cpu = noted["cpu"]
        self.ours, self.theirs = (statistics.median(v) if v else None for v in (self.values[name] for name in names))
        self.ratio = None
        if self.ours is not None and self.theirs is not None:
            over, under = (self.ours, self.theirs) if row.more else (self.theirs, self.ours)
            self.ratio = over / under if under else None

    def cpu_ratio(self):
        """The same by the server's CPU seconds: other work on the machine disturbs it least. Only for equal amounts of work."""
        ours, theirs = (statistics.median([s for s, _ in self.cpu[name]]) if self.cpu.get(name) else 0 for name in self.values)
        return theirs / ours if ours and theirs and self.row.group in ("lmtp", "mailbox", "pop3", "login", "hashed") else None

    def target(self):
        if self.row.ratio is not None:
            return f"≥ {self.row.ratio:g}×"
        if self.row.most is not None:
            return f"≤ {self.row.most:g} {self.row.unit}".strip()
        if self.row.least is not None:
            return f"≥ {self.row.least:g} {self.row.unit}".strip()
        return "–"

    def by_cpu(self):
        return f"{self.cpu_ratio():.2f}×" if self.cpu_ratio() else "–"

    def reached(self):
        """True, False, or None where nothing is aimed at or measured."""
        if self.row.ratio is not None:
            return None if self.ratio is None else self.ratio >= self.row.ratio
        if self.ours is None:
            return None
        if self.row.most is not None:
            return self.ours <= self.row.most
        return None if self.row.least is None else self.ours >= self.row.least

    def cell(self, name):
        values = self.values[name]
        if not values:
            return "–"
        spread = f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 else ""
        return f"{number(statistics.median(values))} {self.row.unit}".strip() + spread


def lines(bench):
    return [Line(row, bench.rows[row.key], bench.names) for row in ROWS if row.key in bench.rows]


def table(bench):
    judged = bench.names[1] == "dovecot"
    titles = {"merpati": "Merpati", "dovecot": "Dovecot", "before": "before"}
    a, b = bench.names
    head = f"| work | {titles[a]} | {titles[b]} | ratio |" + (" target | | best peer elsewhere |" if judged else " by CPU |")
    head += " CPU s, server / generator |"
    rule = "|---|--:|--:|--:|" + ("--:|---|--:|" if judged else "--:|") + "---|"
    out = [head, rule]
    for line in lines(bench):
        ratio = f"{line.ratio:.2f}×" if line.ratio is not None else "–"
        mark = {True: "reached", False: "**short**", None: ""}[line.reached()]
        cpu = "; ".join(text for text in (cpu_seconds(line.cpu.get(name)) for name in bench.names) if text)
        remark = f" ({bench.remarks[line.row.key]})" if line.row.key in bench.remarks else ""
        out.append(f"| {line.row.title}{remark} | {line.cell(a)} | {line.cell(b)} | {ratio} |"
                   + (f" {line.target()} | {mark} | {line.row.best} |" if judged else f" {line.by_cpu()} |") + f" {cpu} |")
    for key, text in bench.remarks.items():
        if key not in bench.rows:
            out.append(f"| {TABLE[key].title} | – | – | – |" + (" – | | |" if judged else " – |") + f" {text} |")
    return "\n".join(out)


def write_json(bench, path, seconds):
    revision = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    rows = {}
    for line in lines(bench):
        rows[line.row.key] = {
            "title": line.row.title, "unit": line.row.unit, "more_is_better": line.row.more, "group": line.row.group,
            "target": {"ratio": line.row.ratio, "most": line.row.most, "least": line.row.least},
            "values": line.values, "cpu": line.cpu, "ratio": line.ratio, "reached": line.reached(),
            "answers": bench.answers.get(line.row.key), "remark": bench.remarks.get(line.row.key)}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine(), "load": LOAD, "revision": revision.stdout.strip(),
        "seconds": round(seconds), "peers": bench.names, "rows": rows}, indent=1, ensure_ascii=False) + "\n")


def merge(bench, path):
    """Rows of an earlier run that this one has not measured."""
    for key, row in json.loads(path.read_text())["rows"].items():
        if key in TABLE and key not in bench.rows:
            bench.rows[key] = {"values": row["values"], "cpu": row["cpu"]}
            if row["answers"]:
                bench.answers[key] = row["answers"]
            if row["remark"]:
                bench.remarks[key] = row["remark"]


def between(page, begin, end, text):
    """Puts `text` between two marks of a page."""
    head, first, rest = page.read_text().partition(begin)
    _, last, tail = rest.partition(end)
    if first and last:
        page.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
