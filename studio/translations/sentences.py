"""Finds the sentences of the domains, which know no Flask and mark nothing: errors, findings, steps, next things to do.

`babel.cfg` names these extractors. Whatever is a whole sentence in a string of its own (a capital at its start, a
stop at its end) is one; docstrings and comments are not. Screens mark what they say, but raise the errors of the domains
as these do: their refusals are found as well.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BytesIO
from typing import IO, Any, cast

from babel.messages.extract import extract_python

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


def extract_screens(
    file: IO[bytes],
    keywords: Mapping[str, Any],
    comment_tags: Collection[str],
    options: Mapping[str, Any] | None = None,
) -> Iterator[tuple[int, Any, Any, list[str]]]:
    """What a screen marks, as Babel finds it, and the sentences with which it refuses: those of errors and of fields."""
    source = file.read()
    marked: Any = extract_python(BytesIO(source), keywords, comment_tags, cast("Any", dict(options or {})))
    yield from marked
    tree = ast.parse(source)
    passed_over = set(_docstrings(tree)) | set(_parts_of_formatted(tree))
    for text in _refusals(tree):
        said = text.value
        if isinstance(said, str) and id(text) not in passed_over and _SENTENCE.match(said):
            yield text.lineno, None, said, []


def _refusals(tree: ast.AST) -> Iterator[ast.Constant]:
    """Texts within an error that is made, and texts that are put by for one (`sentence = …`, `wrong[field] = …`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from _texts([node.value])
        elif _is_error(node):
            yield from _texts(ast.walk(node))


def _texts(nodes: Iterable[ast.AST]) -> Iterator[ast.Constant]:
    return (node for node in nodes if isinstance(node, ast.Constant))


def _is_error(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error")


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
