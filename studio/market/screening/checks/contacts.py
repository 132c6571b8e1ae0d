"""Addresses, contact details and invitations, by which a card becomes an advertisement."""

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Finding, Rule, search
from studio.market.screening.checks.submission import Submission, Text

_INVITATION = "This invites people elsewhere."
_ADDRESS = "This is an address on the web."
_MESSENGER = "This is a contact at a messenger."

_RULES = (
    Rule(
        r"(?:https?://)?\b(?:t\.me|telegram\.me|discord\.gg|discord(?:app)?\.com/invite|wa\.me|line\.me|patreon\.com"
        r"|ko-fi\.com|onlyfans\.com|afdian\.(?:net|com)|buymeacoffee\.com|qm\.qq\.com)/[A-Za-z0-9_+/@-]+",
        Severity.WARNING,
        _INVITATION,
    ),
    Rule(r"\b(?:https?|ftp)://[^\s\x00<>\"'）)」】。，]+", Severity.WARNING, _ADDRESS),
    Rule(r"\bwww\.[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}", Severity.WARNING, _ADDRESS),
    Rule(
        r"\b[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\b",
        Severity.WARNING,
        "This is an e-mail address.",
    ),
    Rule(
        r"(?:\bqq|扣扣|企鹅|[qＱ]群|群号|加群|裙号?)\s*(?:群|号|號|号码)?\s*[:：是]?\s*[1-9][0-9]{4,11}\b",
        Severity.WARNING,
        _MESSENGER,
    ),
    Rule(
        r"(?:微信|薇信|威信|加v|v信)\s*(?:号|號|id)?\s*[:：是]?\s*[a-z][a-z0-9_-]{5,19}\b"
        r"|\b(?:wechat|weixin|vx|wx|telegram|whatsapp|kakao|discord)\s*(?:号|id)?\s*[:：@]\s*@?[a-z0-9_#.+-]{4,32}",
        Severity.WARNING,
        _MESSENGER,
    ),
    Rule(r"(?:\+86[ -]?)?\b1[3-9][0-9]{9}\b", Severity.INFO, "This looks like a telephone number."),
)

# The specification puts addresses here; they say where a card comes from and are no advertisement.
_EXPECTED = ("data.source", "data.assets")


def _weigh(text: Text, rule: Rule) -> Severity:
    return Severity.INFO if text.path.startswith(_EXPECTED) else rule.severity


def _look(submission: Submission) -> Finding:
    return search(submission, _RULES, weigh=_weigh)


CHECK = Check("contacts", 1, "Links and contact details", _look)
