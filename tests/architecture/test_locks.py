"""What is locked is read as it stands: an object that the session knows already would keep what it said before the lock."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("studio", "jobs", "admin_views")
LOCK, FRESH = "with_for_update", "populate_existing"
OF_IDS = ("free(",)
"""Functions that give a query for ids."""


def modules() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if LOCK in path.read_text():
                yield path


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """The innermost statements in which something is locked."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not hasattr(node, "body") and LOCK in ast.unparse(node):
            yield node


def reads_columns_alone(statement: ast.stmt) -> bool:
    """Whether each `select` in the statement names columns, of which a session keeps nothing."""
    selects = [
        node
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"sa.select", "select"}
    ]
    if any(one in ast.unparse(statement) for one in OF_IDS):
        return True
    return bool(selects) and all(not isinstance(one, ast.Name) for select in selects for one in select.args)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in modules()])
def test_what_is_locked_is_read_anew(path):
    for statement in statements(ast.parse(path.read_text())):
        text = ast.unparse(statement)
        assert f"{LOCK}=" not in text, (
            f"Line {statement.lineno}: `get` raises StaleDataError where the object was loaded before; use `lock_row`."
        )
        assert FRESH in text or reads_columns_alone(statement), (
            f"Line {statement.lineno}: add .execution_options({FRESH}=True), or read columns alone."
        )
