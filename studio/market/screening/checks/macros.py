"""Macros that will not do what their writer meant."""

from collections.abc import Iterator
from itertools import islice

from studio.cards import macros
from studio.market.models import Severity
from studio.market.screening.checks.base import MOST_EVIDENCE, Check, Evidence, Finding, bounded, passage
from studio.market.screening.checks.submission import Submission

_MESSAGES = {
    "single_brace": "Only one brace: this stays as it is written instead of becoming a name.",
    "unknown_macro": "No program that we know resolves this macro.",
}
_SEVERITIES = {"single_brace": Severity.WARNING, "unknown_macro": Severity.INFO}
_UNBALANCED = "A macro is opened and not closed, or closed and not opened."
# Templates of programs live here and have braces of their own.
_FOREIGN = "data.extensions"


def _issues(submission: Submission) -> Iterator[Evidence]:
    for text in submission.texts:
        if text.is_key or text.path.startswith(_FOREIGN) or ("{" not in text.value and "}" not in text.value):
            continue
        for issue in macros.lint(text.value):
            yield passage(text, issue.start, issue.end, _MESSAGES[issue.code], _SEVERITIES[issue.code])
        opened, closed = text.value.count("{{"), text.value.count("}}")
        if opened != closed:
            start = text.value.rfind("{{" if opened > closed else "}}")
            yield passage(text, start, start + 2, _UNBALANCED, Severity.INFO)


def _look(submission: Submission) -> Finding:
    return bounded(islice(_issues(submission), 10 * MOST_EVIDENCE))


CHECK = Check("macros", 1, "Macros", _look)
