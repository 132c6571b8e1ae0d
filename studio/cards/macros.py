"""Macros in card texts (`{{char}}`, `{{user}}`, `<BOT>`…): rendered for previews, checked for mistakes."""

import difflib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from studio.kit.text import is_cjk

_MACRO = re.compile(r"\{\{([^{}]*)\}\}")
_ANGLE = re.compile(r"<(bot|char|user)>", re.IGNORECASE)
# Backyard begins a speaker's line with `#{user}:`; the mark belongs to the macro there.
_SINGLE = re.compile(r"(?<!\{)(?:#(?=\{\w{3,9}\}:))?\{(char|character|bot|user)\}(?!\})", re.IGNORECASE)
_SINGLE_FIXES = {"char": "{{char}}", "character": "{{char}}", "bot": "{{char}}", "user": "{{user}}"}
# Nesting deeper than this is no text that a person wrote.
_ROUNDS = 8
# Characters that names may add to a text: eight megabytes of `{{char}}` with a long name would make 200 of them.
_MOST_GROWTH = 50_000
# Braces inside put-in values are hidden while the rest is rendered, so that a name cannot start a macro of its own.
_OPEN, _CLOSE = "\ue000", "\ue001"

_VALUES = frozenset(
    {"char", "user", "original", "newline", "trim", "noop", "time", "date", "weekday", "isotime", "isodate"}
)
_FUNCTIONS = frozenset(
    {
        "random",
        "pick",
        "roll",
        "reverse",
        "comment",
        "hidden_key",
        "getvar",
        "setvar",
        "addvar",
        "incvar",
        "decvar",
        "getglobalvar",
        "setglobalvar",
    }
)
_APPLICATIONS_OWN = frozenset(
    {
        "persona",
        "description",
        "personality",
        "scenario",
        "mesexamples",
        "lastmessage",
        "lastusermessage",
        "lastcharmessage",
        "idle_duration",
        "group",
        "model",
        "input",
        "charprompt",
        "charjailbreak",
    }
)
_LONGEST_NAME = 40
_MOST_GUESSES = 50
# The commonest first: of two names that are equally near, the earlier one was meant.
_READERS = {"zh": "你", "yue": "你", "ja": "あなた", "ko": "당신"}
_OFFERED = ("user", "char", *sorted((_VALUES | _FUNCTIONS | _APPLICATIONS_OWN) - {"user", "char"}))


@dataclass(frozen=True)
class MacroIssue:
    """A macro that will not do what its writer meant; `fix` is the right spelling, or the likely one, if there is one."""

    code: str
    start: int
    end: int
    found: str
    fix: str | None


def render(text: str, *, char: str, user: str, original: str = "", seed: int = 0) -> str:
    """The text with its macros resolved as a chat would, unknown ones left as they stand.

    Equal arguments give an equal text: chance comes from `seed`. `char` is the nickname where the card has one.
    Put-in values are never rendered themselves; once they have made the text 50,000 characters longer, further
    macros stay as they stand. No template engine is involved.
    """
    # Only a preview's dice are thrown here.
    dice = random.Random(seed)  # noqa: S311
    values = {"char": char, "user": user, "original": original}
    growth = 0

    def kept_short(match: re.Match[str], value: str) -> str:
        nonlocal growth
        growth += max(0, len(value) - len(match[0]))
        return value if growth <= _MOST_GROWTH else _hidden(match[0])

    text = _ANGLE.sub(lambda match: kept_short(match, _hidden(user if match[1].lower() == "user" else char)), text)
    for _ in range(_ROUNDS):
        rendered = _MACRO.sub(lambda match: kept_short(match, _resolved(match, values, dice)), text)
        if rendered == text:
            break
        text = rendered
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def reader_in(text: str, *, language: str = "") -> str:
    """What `{{user}}` is in a preview where nobody chose a name: "you" in the card's language, else in the text's."""
    spoken = language.partition("-")[0].lower()
    return _READERS.get(spoken) or ("你" if not spoken and is_cjk(text) else "you")


def display_name(data: dict[str, object]) -> str:
    """What `{{char}}` stands for in this card's `data`: the nickname where there is one, else the name."""
    nickname, name = data.get("nickname"), data.get("name")
    return str(nickname) if nickname else str(name or "")


def lint(text: str) -> tuple[MacroIssue, ...]:
    """Single-brace `{char}` with their fix, and macros that no application is known to resolve, by position.

    Where an unknown one is a slip away from a known one, that one is its fix: a question, not a certainty.
    """
    issues = [
        MacroIssue("single_brace", match.start(), match.end(), match[0], _SINGLE_FIXES[match[1].lower()])
        for match in _SINGLE.finditer(text)
    ]
    guesses: dict[str, str | None] = {}
    for match in _MACRO.finditer(text):
        if _is_known(match[1]):
            continue
        if match[1] not in guesses:
            # Guessing costs time: a text with more mistakes than this is no card.
            guesses[match[1]] = _likely(match[1]) if len(guesses) < _MOST_GUESSES else None
        issues.append(MacroIssue("unknown_macro", match.start(), match.end(), match[0], guesses[match[1]]))
    return tuple(sorted(issues, key=lambda issue: issue.start))


def has_single_braces(text: str) -> bool:
    """Whether a macro is written with single braces, as Backyard and some generators do."""
    return _SINGLE.search(text) is not None


def fix_single_braces(text: str) -> str:
    """The text with `{char}` and its like in double braces; repeating it changes nothing."""
    return _SINGLE.sub(lambda match: _SINGLE_FIXES[match[1].lower()], text)


def fixed(text: str, issue: MacroIssue) -> str:
    """The text with every macro that is written like this one put right; without a fix it stays as it is."""
    if issue.fix is None:
        return text
    pieces: list[str] = []
    end = 0
    for other in lint(text):
        if (other.found, other.code) == (issue.found, issue.code):
            pieces += (text[end : other.start], issue.fix)
            end = other.end
    return "".join((*pieces, text[end:]))


def _likely(body: str) -> str | None:
    """The whole macro with the known name that this one's name is a slip away from."""
    found = re.match(r"\s*([^:\s]+)", body)
    if found is None or len(found[1]) > _LONGEST_NAME:
        return None
    near = difflib.get_close_matches(found[1].lower(), _OFFERED, n=1, cutoff=0.72)
    return "{{" + body[: found.start(1)] + near[0] + body[found.end(1) :] + "}}" if near else None


def _is_known(body: str) -> bool:
    if body.startswith("//"):
        return True
    name = re.split(r"[:\s]", body.strip().lower(), maxsplit=1)[0]
    return name in _VALUES | _FUNCTIONS | _APPLICATIONS_OWN


def _resolved(match: re.Match[str], values: dict[str, str], dice: random.Random) -> str:
    body = match[1].strip()
    name, separator, argument = body.partition(":")
    name = name.strip().lower()
    if body.startswith("//") or name in {"hidden_key", "comment"}:
        return ""
    if not separator:
        return _hidden(values.get(name, {"newline": "\n", "trim": "", "noop": ""}.get(name, match[0])))
    if name in {"random", "pick"}:
        return dice.choice(_options(argument))
    if name == "reverse":
        return argument[::-1]
    sides = argument.strip().lower().removeprefix("d")
    if name == "roll" and sides.isascii() and sides.isdigit() and len(sides) < 10:  # noqa: PLR2004
        return str(dice.randint(1, max(1, int(sides))))
    return _hidden(match[0])


def _options(argument: str) -> Sequence[str]:
    # `{{random::a::b}}`: the second colon of the first pair still stands before the options.
    if argument.startswith(":") or "::" in argument:
        return [option.strip() for option in argument.removeprefix(":").split("::")]
    return [option.replace("\\,", ",").strip() for option in re.split(r"(?<!\\),", argument)]


def _hidden(value: str) -> str:
    return value.replace("{", _OPEN).replace("}", _CLOSE)
