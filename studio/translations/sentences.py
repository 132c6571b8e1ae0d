"""Finds the sentences of the domains, which know no Flask and mark nothing: errors, findings, steps, next things to do.

`babel.cfg` names this extractor. Whatever is a whole sentence in a string of its own (a capital at its start, a
stop at its end) is one; docstrings and comments are not.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

_SENTENCE = re.compile(r"(?s)^[A-Z%“\"{].*\s.*[.!?:]$|^[A-Z].*\s.*%\([a-z_]+\)s[.!?:]?$")
_STEPS = {"progress", "step"}


def extract(
    file: IO[bytes],
    _keywords: Mapping[str, Any],
    _comment_tags: Collection[str],
    options: Mapping[str, Any] | None = None,  # noqa: ARG001 - Babel names it.
) -> Iterator[tuple[int, None, str, list[str]]]:
    """The line and the text of every sentence in a Python file, as Babel asks for them."""
    tree = ast.parse(file.read())
    passed_over = set(_docstrings(tree)) | set(_parts_of_formatted(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
            if _SENTENCE.match(node.value):
                yield node.lineno, None, node.value, []
        elif isinstance(node, ast.Call) and node.args and _is_step(node.func):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not _SENTENCE.match(first.value):
                yield first.lineno, None, first.value, []


def _is_step(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in _STEPS


def _docstrings(tree: ast.AST) -> Iterator[int]:
    """Strings that stand alone as a statement: documentation of what comes before or after them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)


def _parts_of_formatted(tree: ast.AST) -> Iterator[int]:
    """Pieces of f-strings: what varies within them cannot be looked up."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for part in node.values:
                yield id(part)
