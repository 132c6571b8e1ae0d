"""The command behind `make bench`: runs the benchmarks that are named, or all, and writes down what came out."""

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from studio.settings import ROOT
from tests.benchmarks.harness import Context, Result, machine

NAMES = ("semantic_search", "embedding_job", "recovery", "character_list")
"""Each is a module beside this one with `run(context) -> list[Result]`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print the table of ratios, write results.json; exits with 1 where a goal is missed (never with --quick)."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(NAMES)}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that everything runs, measures nothing"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "var" / "bench" / "results.json")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    console.print(machine())
    results: list[Result] = []
    for name in options.names or NAMES:
        console.rule(name.replace("_", " "))
        with tempfile.TemporaryDirectory(prefix=f"greenroom-bench-{name}-") as folder:
            context = Context(
                folder=Path(folder), quick=options.quick, say=lambda text: console.print(text, style="dim")
            )
            results += _run(name, context)
        # After each one: whoever stops the run keeps what it had found out.
        _write(options.output, results)
    console.print(_table(results))
    console.print(f"Written to {options.output}")
    if not options.quick and not all(result.met for result in results):
        sys.exit(1)


def _run(name: str, context: Context) -> list[Result]:
    found: list[Result] = importlib.import_module(f"tests.benchmarks.{name}").run(context)
    return found


def _write(path: Path, results: Sequence[Result]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [result.as_json() for result in results]
    path.write_text(json.dumps(lines, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


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
