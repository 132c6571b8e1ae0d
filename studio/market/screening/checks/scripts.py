"""Code that a reader's program might run, and pictures that it might load from elsewhere."""

from studio.market.models import Severity
from studio.market.screening.checks.base import MOST_EVIDENCE, Check, Finding, Rule, bounded, passage, search
from studio.market.screening.checks.submission import Submission

_RULES = (
    Rule(r"<\s*/?\s*script\b", Severity.SEVERE, "This is a script for a browser."),
    Rule(
        r"<[a-z][a-z0-9]*\b[^<>\x00]*[\s/\"']on[a-z]{3,20}\s*=",
        Severity.SEVERE,
        "This runs code when something happens.",
    ),
    Rule(r"\b(?:javascript|vbscript)\s*:[^\s\x00]", Severity.SEVERE, "This is an address that runs code."),
    Rule(r"\bdata:text/html", Severity.SEVERE, "This is an address that runs code."),
    Rule(
        r"<\s*/?\s*(?:iframe|object|embed|applet|base|frame|frameset|link|meta|svg|template)\b[^<>\x00]{0,200}",
        Severity.WARNING,
        "This puts a foreign page or object into the chat.",
    ),
    Rule(
        r"<\s*(?:img|video|audio|source)\b[^<>\x00]*\bsrc\s*=|!\[[^\]\x00\n]{0,300}\]\(\s*https?://"
        r"|\burl\(\s*[\"']?(?:https?:)?//|@import\b",
        Severity.WARNING,
        "This loads something from elsewhere, which tells that server who reads.",
    ),
    Rule(r"<\s*style\b", Severity.WARNING, "This changes how the reader's program looks."),
    Rule(r"<%[_=-]?[^\x00]{0,60}", Severity.WARNING, "This is code of a template engine."),
    Rule(
        r"(?:^|[\x00\n])[ \t]*(/(?:run|exec|js|setvar|setglobalvar|addvar|send|sendas|sys|trigger|genraw|gen|api|model|inject"
        r"|delchat|del|hide|qr-[a-z]+|fetch|imagine|closure-[a-z]+|while|times|if)\b[^\n\x00]{0,80})",
        Severity.WARNING,
        "This is a command of SillyTavern.",
    ),
)

# Extensions that carry code: regular expressions that rewrite messages, and script libraries.
_CODE_KEYS = {"regex_scripts", "tavernhelper_scripts", "tavern_helper", "quick_replies", "risu_script", "customscripts"}
_CARRIES_CODE = "This extension carries code that rewrites messages or runs."


def _look(submission: Submission) -> Finding:
    keys = [
        passage(text, 0, len(text.value), _CARRIES_CODE, Severity.WARNING)
        for text in submission.texts
        if text.is_key and text.value.lower() in _CODE_KEYS
    ]
    return bounded([*keys[:MOST_EVIDENCE], *search(submission, _RULES).evidence])


CHECK = Check("scripts", 1, "Scripts and remote content", _look)
