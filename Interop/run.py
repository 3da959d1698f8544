#!/usr/bin/env python3
"""All interop tests, or those whose file names contain an argument. Ends with 'N passed, N failed'."""

import pathlib
import sys
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))


def main():
    wanted = sys.argv[1:]
    suite = unittest.TestSuite()
    for file in sorted(here.glob("test_*.py")):
        if not wanted or any(word in file.stem for word in wanted):
            suite.addTests(unittest.defaultTestLoader.loadTestsFromName(file.stem))
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed, {len(result.skipped)} skipped")
    return 1 if bad or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
