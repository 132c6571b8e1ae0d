"""Text that a person does not see and a model reads."""

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Finding, Rule, search
from studio.market.screening.checks.submission import Submission

_RULES = (
    # The flags of England, Scotland and Wales are a black flag followed by such characters.
    Rule(
        "(?:^|[^\U0001f3f4\U000e0020-\U000e007f])([\U000e0001-\U000e007f]+)",
        Severity.SEVERE,
        "Text is hidden in invisible tag characters.",
    ),
    Rule("[\u202a-\u202e\u2066-\u2069]+", Severity.WARNING, "Characters that turn the direction of reading."),
    # A joiner alone holds an emoji or an Indic letter together; between Latin letters, or doubled, it hides.
    Rule(
        "[\u200b\u2060-\u2064\ufeff\u180e\u00ad]+|[\u200c\u200d]{2,}|[a-z]([\u200c\u200d])",
        Severity.WARNING,
        "Characters of no width, which split or hide words.",
    ),
    Rule(r"(?s)<!--[^\x00]{0,200}", Severity.WARNING, "Text is hidden in an HTML comment."),
    Rule(
        r"(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|%|;|\b)|opacity\s*:\s*0(?:;|\"|'|\s)"
        r"|color\s*:\s*transparent)",
        Severity.WARNING,
        "Text is hidden by a style.",
    ),
    Rule("[ \t\n\u3000]{200,}", Severity.INFO, "A long blank pushes what follows out of sight."),
    Rule(r"[A-Za-z0-9+/]{400,}={0,2}", Severity.INFO, "A long encoded block that people cannot read."),
)


def _look(submission: Submission) -> Finding:
    return search(submission, _RULES)


CHECK = Check("hidden_text", 1, "Hidden text", _look)
