"""`make bench`: every figure that the documents quote.

python -m bench                              all cases as one JSON document, about 30 minutes
python -m bench --quick                      the figures of the targets with few messages, about 6 minutes
python -m bench --cases singles,"at rest"    only these
python -m bench --report docs/reports/       bench-<date>-<commit>.json and .md as well
"""

import argparse
import json
import sys
from pathlib import Path

from bench import report


def main() -> None:
    """Measure, print, write; exits with 1 when a case failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", help=f"comma-separated, of: {', '.join(report.CASES)}")
    parser.add_argument("--quick", action="store_true", help="few messages: for a look, not for a document")
    parser.add_argument("--report", type=Path, metavar="DIRECTORY", help="write the report there")
    given = parser.parse_args()
    names = given.cases.split(",") if given.cases else list(report.QUICK if given.quick else report.CASES)
    if unknown := [name for name in names if name not in report.CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    found = report.document(report.run(names, quick=given.quick), quick=given.quick)
    print(json.dumps(found, indent=2))
    if given.report:
        for path in report.write(given.report, found):
            print(f"wrote {path}", file=sys.stderr)
    if any("failed" in result for result in found["results"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
