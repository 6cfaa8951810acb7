"""Command line: `python -m tests.crash [run] [OPTIONS]`, `python -m tests.crash merge OUT REPORT...`, `... list`."""

import argparse
import json
import random
import sys
from pathlib import Path

from tests.crash import report
from tests.crash.campaign import Orders, end_in_order, run
from tests.crash.faults.catalogue import catalogue, chosen
from tests.crash.nemesis import OVERLAP


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every promise held."""
    if arguments[:1] == ["merge"]:
        return merge(Path(arguments[1]), [Path(name) for name in arguments[2:]])
    if arguments[:1] == ["list"]:
        print("\n".join(f"{name}\t{fault.family}" for name, fault in catalogue().items()))
        return 0
    end_in_order()
    options = _parser().parse_args(arguments[1:] if arguments[:1] == ["run"] else arguments)
    number, of = (int(part) for part in options.shard.split("/"))
    faults = dict(list(chosen(options.kinds).items())[number - 1 :: of])
    done = run(
        faults,
        Orders(
            seed=options.seed, per_kind=options.faults_per_kind, rate=options.rate, out=options.out,
            minutes=options.minutes, minimum_acknowledged=options.minimum_acknowledged // of, shard=options.shard,
            overlap=options.overlap, place=options.place,
        ),
    )  # fmt: skip
    return _say(done)


def merge(out: Path, files: list[Path]) -> int:
    """Join the reports of shards."""
    joined = report.merged([json.loads(file.read_text()) for file in files])
    report.write(joined, out)
    return _say(joined)


def _say(done: report.Report) -> int:
    print(report.markdown(done))
    return 0 if report.holds(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of everything")
    parser.add_argument("--faults-per-kind", type=int, default=20)
    parser.add_argument("--kinds", default="", help="comma-separated; kill-* for all that begin so (default: all)")
    parser.add_argument("--minimum-acknowledged", type=int, default=50_000, help="go on in peace until then")
    parser.add_argument("--rate", type=float, default=45.0, help="messages a second")
    parser.add_argument("--shard", default="1/1", help="i/n: the i-th of n equal shares of the kinds")
    parser.add_argument("--minutes", type=float, default=0.0, help="no new fault after so long (0: no limit)")
    parser.add_argument("--overlap", type=float, default=OVERLAP, help="share of faults that a second one joins")
    parser.add_argument("--place", type=Path, default=None, help="directory of the journals (default: a new one)")
    parser.add_argument("--out", type=Path, default=Path("docs/reports/crash"), help="report without suffix")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
