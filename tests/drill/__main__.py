"""`python -m tests.drill`: the whole drill, ours and then plain RQ; writes var/drill/results.json."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from studio.settings import ROOT
from tests.drill.house import opened
from tests.drill.play import Plan, Report, play
from tests.drill.programs import Ours, Plain

GOAL_SECONDS = 20.0


def main() -> int:
    """Play the drill; 1 where a job of ours was lost or done twice, a file is torn, no kill struck a job, or recovering took too long."""
    words = argparse.ArgumentParser(prog="make drill ARGS=…", description=__doc__)
    words.add_argument("--jobs", type=int, default=10_000)
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--workers", type=int, default=4)
    words.add_argument("--only", choices=("ours", "plain"))
    given = words.parse_args()
    plan = Plan(jobs=given.jobs, kills=given.kills, workers=given.workers)
    reports: list[Report] = []
    console = Console(highlight=False, soft_wrap=True)
    for kind in (Ours, Plain):
        if given.only and kind.name != given.only:
            continue
        console.print(f"\n{kind.title}: {plan.jobs:,} jobs, {plan.workers} workers, {plan.kills} × kill -9")
        with tempfile.TemporaryDirectory(prefix="greenroom-drill-") as folder, opened(Path(folder)) as house:
            report = play(kind(house), house, plan, say=lambda text: console.print(f"  {text}"))
        reports.append(report)
        for line in report.lines():
            console.print(f"  {line}")
    place = ROOT / "var" / "drill" / "results.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps([asdict(report) for report in reports], indent=2) + "\n")
    ours = [report for report in reports if report.name == Ours.name]
    return int(any(not one.is_perfect or not one.hits or one.slowest > GOAL_SECONDS for one in ours))


if __name__ == "__main__":
    sys.exit(main())
