"""Every job that is asked for by name exists, and takes what it is given."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import registry
from studio.settings import ROOT
from studio.work.rules import QUEUES
from studio.work.schedules import PERIODIC

PACKAGES = ("studio", "admin_views", "jobs")
OPTIONS = {"actor", "about", "queue", "dedupe_key", "run_after", "max_attempts", "estimate_micro", "now"}


def asks() -> Iterator[tuple[str, ast.Call]]:
    """Every call of `work.ask(…)` or `ask(…)` in the program, with the place where it stands."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path == ROOT / "studio" / "work" / "asking.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_ask(node.func) and len(node.args) > 1:
                    yield f"{Path(path).relative_to(ROOT)}:{node.lineno}", node


def _is_ask(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr == "ask" and isinstance(function.value, ast.Name) and function.value.id == "work"
    return isinstance(function, ast.Name) and function.id == "ask"


ASKED = [
    (place, call.args[1].value, call)
    for place, call in asks()
    if isinstance(call.args[1], ast.Constant) and isinstance(call.args[1].value, str)
]


class TestAskedJobs:
    def test_are_asked_for_somewhere(self):
        assert ASKED

    @pytest.mark.parametrize(("place", "name", "call"), ASKED, ids=[f"{name} at {place}" for place, name, _ in ASKED])
    def test_exist_and_take_what_they_are_given(self, place, name, call):
        entry = registry.load().get(name)
        assert entry is not None, f"{place} asks for a job that does not exist: {name}"
        keywords = [keyword.arg for keyword in call.keywords]
        given = {keyword for keyword in keywords if keyword is not None} - OPTIONS
        assert given <= set(entry.parameters), place
        if None not in keywords:
            required = {parameter for parameter, (_, is_required) in entry.parameters.items() if is_required}
            assert required <= given, place
        for keyword in call.keywords:
            if keyword.arg == "queue" and isinstance(keyword.value, ast.Constant):
                assert keyword.value.value in QUEUES, place


class TestScheduledJobs:
    @pytest.mark.parametrize("periodic", PERIODIC, ids=lambda periodic: periodic.name)
    def test_exist_and_need_nothing(self, periodic):
        entry = registry.load().get(periodic.name)
        assert entry is not None
        assert not [name for name, (_, is_required) in entry.parameters.items() if is_required]


class TestNames:
    @pytest.mark.parametrize("name", sorted(registry.load()))
    def test_begin_with_the_domain_of_their_module(self, name):
        entry = registry.load()[name]
        if not name.startswith("tests."):
            assert entry.handler.__module__ == f"jobs.{name.split('.', 1)[0]}"
