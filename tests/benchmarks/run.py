"""The command behind `make bench`: runs the benchmarks that are named, or all, and writes down what came out."""

import argparse
import importlib
import json
import multiprocessing
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from studio.settings import ROOT
from tests.benchmarks.harness import Context, Result, machine

NAMES = (
    "semantic_search",
    "embedding_job",
    "recovery",
    "character_list",
    "bulk_import",
    "card_export",
    "ledger_posting",
    "month_close",
    "desk_next",
    "media_variants",
    "upload_bomb",
)
"""Each is a module beside this one with `run(context) -> list[Result]`: a new one needs its name here and nothing else."""

LONGEST = 45 * 60.0
"""Seconds for all that are named. A benchmark that has not begun by then is written down as not run."""

RUN = "run.json"

LONGEST_OF_ONE = 15 * 60.0
"""Seconds for one. It is ended with its servers then, and the next one begins."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print the table of ratios, write results.json.

    Each benchmark runs in a process of its own, so that one which fails, hangs or eats the memory takes nothing with
    it; what it found out, or why it did not, is written after each. Exits with 2 where one did not run to its end,
    else with 1 where a goal is missed (never with --quick), else with 0.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(NAMES)}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that everything runs, measures nothing"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "var" / "bench" / "results.json")
    parser.add_argument(
        "--here", action="store_true", help="run in this process, and let errors through: for a debugger"
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    about = machine()
    console.print(about)
    began = time.monotonic()
    report = Report(about=about, quick=options.quick)
    for name in options.names or NAMES:
        console.rule(name.replace("_", " "))
        left = LONGEST - (time.monotonic() - began)
        if options.here:
            report.results += _run(name, quick=options.quick, say=lambda text: console.print(text, style="dim"))
        elif left <= 0:
            report.failures[name] = "not run: the time for all benchmarks was over"
        else:
            _run_apart(name, report, quick=options.quick, seconds=min(left, LONGEST_OF_ONE), console=console)
        if name in report.failures:
            console.print(f"{name}: {report.failures[name]}", style="red", markup=False)
        # After each one: whoever stops the run keeps what it had found out.
        report.write(options.output)
    console.print(_table(report.results))
    for name, why in report.failures.items():
        console.print(f"{name} gave no results: {why}", style="red", markup=False)
    console.print(f"{time.monotonic() - began:.0f} s; written to {options.output}", markup=False)
    if report.failures:
        sys.exit(2)
    if not options.quick and not all(result.met for result in report.results):
        sys.exit(1)


@dataclass
class Report:
    """What came out so far."""

    about: str
    quick: bool
    results: list[Result] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Have `path` hold the list of results, and `run.json` beside it the machine and what failed.

        A reader sees the former files or these, never half of one.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"machine": self.about, "quick": self.quick, "failures": self.failures}
        for place, kept in ((path, [result.as_json() for result in self.results]), (path.with_name(RUN), about)):
            beside = place.with_suffix(".part")
            beside.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            beside.replace(place)


def _run_apart(name: str, report: Report, *, quick: bool, seconds: float, console: Console) -> None:
    """Run one benchmark in a process of its own, and have `report` hold its results or why there are none."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(name, quick, there), name=f"bench-{name}")
    process.start()
    there.close()
    ends = time.monotonic() + seconds
    try:
        while here.poll(max(0.0, ends - time.monotonic())):
            kind, told = here.recv()
            if kind == "say":
                console.print(told, style="dim", markup=False)
            elif kind == "results":
                report.results += told
                return
            else:
                report.failures[name] = told
                return
        report.failures[name] = f"ended after {seconds:.0f} s, before it was through"
    except EOFError:
        process.join(10)
        report.failures[name] = f"its process ended by itself with {process.exitcode}"
    finally:
        _end(process)


def _child(name: str, quick: bool, out: Connection) -> None:
    try:
        out.send(("results", _run(name, quick=quick, say=lambda text: out.send(("say", text)))))
    except BaseException as error:  # noqa: BLE001 - Whatever it is, the others go on.
        traceback.print_exc()
        out.send(("failure", f"{type(error).__name__}: {error}"[:2_000]))


def _end(process: SpawnProcess) -> None:
    """Wait for the process to clean up; if it does not, end it with the servers that it started."""
    process.join(30)
    if not process.is_alive():
        return
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    # SIGINT first: its own context managers stop the servers and delete their folder.
    family[0].send_signal(signal.SIGINT)
    process.join(30)
    for member in family:
        if member.is_running():
            member.kill()
    process.join()


def _run(name: str, *, quick: bool, say: Callable[[str], None]) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix=f"greenroom-bench-{name}-", ignore_cleanup_errors=True) as folder:
        context = Context(folder=Path(folder), quick=quick, say=say)
        found: list[Result] = importlib.import_module(f"tests.benchmarks.{name}").run(context)
    return found


def _table(results: Sequence[Result]) -> Table:
    table = Table("what", "unit", "ours", "peer", "of", "ratio", "goal", "")
    for column in ("ours", "peer", "ratio", "goal"):
        next(one for one in table.columns if one.header == column).justify = "right"
    for one in results:
        table.add_row(
            one.name,
            one.unit,
            _number(one.ours),
            _number(one.peer),
            one.peer_name,
            "" if one.ratio is None else f"{one.ratio:.1f} ×",
            _goal(one),
            "" if one.goal is None else "[green]met[/]" if one.met else "[red]missed[/]",
        )
    return table


def _goal(one: Result) -> str:
    if one.goal is None:
        return ""
    return f"{'≤' if one.at_most else '≥'} {_number(one.goal)}{' ×' if one.ratio is not None else ''}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:.3g}"
