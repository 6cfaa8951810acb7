"""`make bench`: every figure that the documents quote, as one JSON document."""

import json
import subprocess
import sys
from typing import Any

CASES: dict[str, list[str]] = {
    "codec": ["bench.codec"],
    "accepting alone": ["bench.http_accept", "--connections", "32", "--count", "5000"],
    "embedded, single sends": ["bench.end_to_end", "--gateway", "embedded", "--count", "2000", "--runs", "3"],
    "fleet, single sends": ["bench.end_to_end", "--gateway", "fleet", "--count", "5000"],
    "fleet, batches of 1,000": [
        "bench.end_to_end", "--gateway", "fleet", "--count", "10000", "--batch", "1000", "--connections", "2",
    ],
}  # fmt: skip


def main() -> None:
    """Run the cases one after the other; one that fails is reported as such and fails the whole."""
    figures: dict[str, Any] = {}
    for name, (module, *arguments) in CASES.items():
        print(f"… {name}", file=sys.stderr)
        run = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=900)
        figures[name] = json.loads(run.stdout) if run.returncode == 0 else {"failed": run.stderr[-2000:]}
    print(json.dumps(figures, indent=2))
    if any("failed" in figure for figure in figures.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
