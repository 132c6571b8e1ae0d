"""Keys, tokens and private keys that somebody left in a card."""

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Finding, Rule, search
from studio.market.screening.checks.submission import Submission

_KEY = "This looks like an access key of a service."

_RULES = (
    Rule(r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----", Severity.SEVERE, "This is a private key."),
    Rule(r"\bsk-(?:proj-|ant-|or-v1-|svcacct-)?[A-Za-z0-9_-]{20,}", Severity.SEVERE, _KEY),
    Rule(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", Severity.SEVERE, _KEY),
    Rule(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,})", Severity.SEVERE, _KEY
    ),
    Rule(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", Severity.SEVERE, _KEY),
    Rule(r"\bAIza[0-9A-Za-z_-]{35}", Severity.SEVERE, _KEY),
    Rule(r"\bhf_[A-Za-z0-9]{30,}\b", Severity.SEVERE, _KEY),
    Rule(r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,}", Severity.SEVERE, _KEY),
    Rule(
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        Severity.SEVERE,
        "This is a signed token.",
    ),
    Rule(
        r"(?:api[ _-]?key|access[ _-]?token|secret[ _-]?key|password|passwd|密码|密钥|令牌)[\"']?\s*[:=：]\s*[\"']?"
        r"([A-Za-z0-9_+/=.-]{16,})",
        Severity.WARNING,
        "This is named like a password or a key.",
    ),
)


def _look(submission: Submission) -> Finding:
    return search(submission, _RULES, mask=True)


CHECK = Check("secrets", 1, "Keys and passwords", _look)
