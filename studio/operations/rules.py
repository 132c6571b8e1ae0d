"""What may be kept of an error: its kind and place, never a secret, a person's address or a card's text."""

import hashlib
import re
import secrets
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.kit.text import one_line, storable
from studio.settings import ROOT

LONGEST_MESSAGE = 1_000
LONGEST_STACK = 20_000
_OURS = ("studio", "admin_views", "jobs")
_INNERMOST = 3
_MOST_CHAINED = 5
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_REFERENCE_LENGTH = 8

_HIDDEN = "[hidden]"
_NAMED_SO = (
    r"(?:pass(?:word|wd|phrase|code)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|key"
    r"|credential|authorization|cookie|sess(?:ion(?:[_-]?id)?)?|otp|totp|csrf)"
)
_SCRUBS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Credentials in an address: scheme://user:password@host.
    (re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/@'\"]{1,200}@", re.IGNORECASE), rf"\g<scheme>{_HIDDEN}@"),
    # Authorization: Bearer …, Basic …
    (
        re.compile(r"\b(?P<kind>bearer|basic|token|apikey)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE),
        rf"\g<kind> {_HIDDEN}",
    ),
    # name=value, name: value, "name": "value" for every name that ends like a secret's.
    (
        re.compile(
            rf"(?P<name>[\w-]{{0,40}}{_NAMED_SO}['\"]?\s{{0,3}}[=:]\s{{0,3}})(?P<value>'[^'\n]*'|\"[^\"\n]*\"|[^\s,;&)}}\]]+)",
            re.IGNORECASE,
        ),
        rf"\g<name>{_HIDDEN}",
    ),
    # The parameters of an address, whatever their names are.
    (re.compile(r"(?P<path>\bhttps?://[^\s?'\"]{1,300})\?[^\s'\"]+", re.IGNORECASE), rf"\g<path>?{_HIDDEN}"),
    # People's addresses.
    (re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "[e-mail]"),
    # Keys and tokens by their looks: sk-…, ghp_…, JSON web tokens, long runs of random letters and digits.
    (re.compile(r"\b(?:sk|pk|rk|ghp|gho|xox[abp])[-_][A-Za-z0-9_-]{8,}"), _HIDDEN),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"), _HIDDEN),
    (re.compile(r"\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9+/_-]{40,}={0,2}"), _HIDDEN),
)
# PostgreSQL repeats the offending values here: "Key (email)=(…) already exists.", "Failing row contains (…)".
_POSTGRES_VALUES = re.compile(r"(?P<head>\bFailing row contains|\bKey \([^)\n]*\)=)\s*\(.*?\)(?=[ .,\n]|$)", re.DOTALL)
_POSTGRES_DETAIL = re.compile(r"^(?:DETAIL|CONTEXT|HINT|LINE \d+|QUERY):.*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """An error as it may be kept: bounded, and free of secrets, values and texts."""

    type: str
    message: str
    stack: str
    fingerprint: str


def scrubbed(error: BaseException) -> Scrubbed:
    """What may be kept of `error` and of what it came from."""
    kind = type_of(error)
    return Scrubbed(type=kind, message=message_of(error), stack=stack_of(error), fingerprint=fingerprint_of(error))


def type_of(error: BaseException) -> str:
    """The error's type with its module, as in "psycopg.errors.UniqueViolation"; of a wrapped one, what is inside."""
    kind = type(_inner(error))
    return (kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")[:200]


def message_of(error: BaseException) -> str:
    """The error's message without secrets and values, on at most a thousand characters.

    SQLAlchemy's message holds the statement's parameters, and PostgreSQL's details hold the row:
    of these only the first sentence is kept.
    """
    inner = _inner(error)
    if _is_of_the_database(inner):
        return scrub(_POSTGRES_DETAIL.sub("", str(inner).split("\n", 1)[0]))
    if _quotes_its_input(inner):
        # Validation errors repeat what was given to them, and that may be a card.
        return f"{type(inner).__name__} (the message repeats its input and is not kept)"
    return scrub(str(inner))


def scrub(text: str, length: int = LONGEST_MESSAGE) -> str:
    """`text` without secrets, credentials and e-mail addresses, cut to `length` characters."""
    cut = storable(text)[: length * 4]
    cut = _POSTGRES_VALUES.sub(rf"\g<head> {_HIDDEN}", cut)
    for pattern, replacement in _SCRUBS:
        cut = pattern.sub(replacement, cut)
    return cut.strip()[:length]


def stack_of(error: BaseException) -> str:
    """Where the error came from: files, lines and functions, innermost last, with each link of its chain; no values.

    Source lines are left out: a literal in one may be a secret.
    """
    parts: list[str] = []
    for link in _chain(error):
        frames = traceback.extract_tb(link.__traceback__, limit=-60)
        lines = [f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
        parts.append("\n".join([*lines, f"{type_of(link)}: {message_of(link)}"]))
    text = "\n\nwhich led to\n\n".join(reversed(parts))
    return storable(text)[-LONGEST_STACK:]


def fingerprint_of(error: BaseException) -> str:
    """A hash that equal errors share: the type and the innermost functions of our own code, without line numbers."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{_short(frame.filename)}:{frame.name}" for frame in frames if _is_ours(frame.filename)]
    places = ours[-_INNERMOST:] or [f"{_short(frame.filename)}:{frame.name}" for frame in frames[-_INNERMOST:]]
    return hashlib.sha256("\n".join([type_of(error), *places]).encode()).hexdigest()[:32]


def new_reference() -> str:
    """A code that a person can read aloud: eight characters of Crockford's base 32, grouped, as in "7K2M-9QXW"."""
    code = "".join(secrets.choice(_CROCKFORD) for _ in range(_REFERENCE_LENGTH))
    return f"{code[:4]}-{code[4:]}"


def as_reference(typed: str) -> str:
    """The reference that a person meant: case, spaces and the letters that look like digits are forgiven."""
    code = typed.upper().translate(str.maketrans("OIL", "011", " -_\t"))
    return f"{code[:4]}-{code[4:]}" if len(code) == _REFERENCE_LENGTH else one_line(typed)


def _inner(error: BaseException) -> BaseException:
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error


def _is_of_the_database(error: BaseException) -> bool:
    return type(error).__module__.split(".", 1)[0] in {"psycopg", "sqlalchemy"}


def _quotes_its_input(error: BaseException) -> bool:
    # UnicodeError and JSONDecodeError carry the document; pydantic and KeyError print what they were given.
    return type(error).__module__.split(".", 1)[0] in {"pydantic", "pydantic_core"} or isinstance(error, UnicodeError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < _MOST_CHAINED:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _is_ours(filename: str) -> bool:
    try:
        parts = Path(filename).resolve().relative_to(ROOT).parts
    except ValueError:
        return False
    return bool(parts) and parts[0] in _OURS


def _short(filename: str) -> str:
    """The path from the checkout or from the library's package: no folder of this machine."""
    path = Path(filename)
    if _is_ours(filename):
        return path.resolve().relative_to(ROOT).as_posix()
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :])
    return "/".join(path.parts[-2:])
