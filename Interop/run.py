#!/usr/bin/env python3
"""All interop tests, or those whose file names contain an argument. Ends with 'N passed, N failed, N skipped'.

Several files run side by side (INTEROP_JOBS, default: one a core): most of them wait for servers and clients, each with folders and
ports of its own. A file that has `ALONE = True` in it, because it compares how long things take, runs with nobody beside it."""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
COUNTS = re.compile(rb"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


def run_file(stem):
    """In this process, with its output as it comes."""
    suite = unittest.defaultTestLoader.loadTestsFromName(stem)
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed, {len(result.skipped)} skipped", flush=True)
    return 1 if bad or result.testsRun == 0 else 0


def run_apart(stem):
    """In a process of its own; its output is printed when it has ended, so that lines of two files do not mix."""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, __file__, "--file", stem], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    found = COUNTS.findall(done.stdout)
    counts = tuple(map(int, found[-1])) if found else (0, 1, 0)
    if done.returncode and not counts[1]:
        counts = (counts[0], 1, counts[2])
    sys.stdout.write(f"== {stem} ({time.monotonic() - begun:.0f} s)\n{done.stdout.decode(errors='replace')}\n")
    sys.stdout.flush()
    return stem, counts


def main():
    if sys.argv[1:2] == ["--file"]:
        return run_file(sys.argv[2])
    wanted = sys.argv[1:]
    files = [file for file in sorted(here.glob("test_*.py")) if not wanted or any(word in file.stem for word in wanted)]
    if len(files) == 1:
        return run_file(files[0].stem)
    alone = [file for file in files if re.search(r"^ALONE = True$", file.read_text(), re.M)]
    jobs = int(os.environ.get("INTEROP_JOBS", "0")) or os.cpu_count() or 1
    # Longer files first, as a guess at which take longest: the last one is then a short one.
    beside = sorted((file for file in files if file not in alone), key=lambda file: -file.stat().st_size)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda file: run_apart(file.stem), beside))
    results += [run_apart(file.stem) for file in alone]
    for stem, counts in results:
        if counts[1]:
            print(f"failed: {stem}")
    passed, failed, skipped = (sum(counts[index] for _, counts in results) for index in range(3))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
