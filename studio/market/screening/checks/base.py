"""What every check of the screening is made of: rules to look for, evidence, and a finding."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import re2

from studio.kit.text import excerpt
from studio.market.models import Severity
from studio.market.screening.checks.submission import SEPARATOR, Submission, Text

MOST_EVIDENCE = 50
"""A check keeps no more; a person has long seen enough."""

LONGEST_EXCERPT = 120
_CONTEXT = 30
# Hits that a check may look at and set aside (known macros, say) before it stops.
_MOST_HITS = 20_000
_WEIGHT = {Severity.INFO: 1, Severity.WARNING: 2, Severity.SEVERE: 3}
_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One passage that a check wants a person to look at; `start` and `end` count characters of the text at `path`."""

    path: str
    start: int
    end: int
    excerpt: str
    message: str
    severity: Severity
    is_key: bool = False
    character_id: str | None = None
    """The other character that the evidence is about, where it is about one."""
    label: str | None = None
    """What a model calls it ("sexual/minors"), where a model found it."""
    score: float | None = None
    """How sure the model is, from 0 to 1."""
    remark: str | None = None
    """What the model says of it, in its own words."""
    is_grave: bool = False
    """About minors: a person looks before anything else, as at a report that says so."""

    def to_json(self) -> dict[str, Any]:
        """The evidence as `screening_results.evidence` keeps it, without what is not so."""
        return {key: value for key, value in asdict(self).items() if value not in (None, False)} | {
            "start": self.start,
            "end": self.end,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; no evidence means that there was nothing to find."""

    evidence: tuple[Evidence, ...] = ()
    source: str = ""
    """Which model looked; empty for rules on this machine."""
    is_failed: bool = False
    """The model could not be asked, or the check broke: the evidence says why, and nothing is known of the card."""
    requests: int = 0
    """How often a model was asked, answered or not."""
    cost_micro: int = 0
    """What that cost the studio, in millionths; nothing where nobody said what the model costs."""

    @property
    def severity(self) -> Severity | None:
        """The weightiest of the evidence; None where nothing was found, or nothing could be looked at."""
        if self.is_failed:
            return None
        return max((item.severity for item in self.evidence), key=_WEIGHT.__getitem__, default=None)

    @property
    def is_grave(self) -> bool:
        """Whether a person has to look before anything else."""
        return any(item.is_grave for item in self.evidence)


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of looking. `version` counts up whenever the same card may give another finding."""

    name: str
    version: int
    title: str
    look: Callable[[Submission], Finding]


class Rule:
    """A pattern in RE2's syntax, how much a hit weighs, and the sentence that says why.

    RE2 is linear in the text whatever the pattern, which Python's own engine is not. Case is
    ignored. Where the pattern has a group, the evidence is the group's span alone.
    """

    __slots__ = ("message", "pattern", "severity")

    def __init__(self, pattern: str, severity: Severity, message: str) -> None:
        self.pattern = re2.compile(pattern, _OPTIONS)
        self.severity = severity
        self.message = message


def search(
    submission: Submission,
    rules: Sequence[Rule],
    *,
    weigh: Callable[[Text, Rule], Severity] | None = None,
    accept: Callable[[str], bool] | None = None,
    mask: bool = False,
) -> Finding:
    """The hits of `rules` in all texts, those of earlier rules winning where two overlap.

    `weigh` may weigh a hit by the place where it stands; `accept` may set a hit aside by its
    words; with `mask` the excerpt shows only how the hit begins (secrets must not spread).
    """
    found: list[tuple[int, int, Rule]] = []
    for rule in rules:
        kept = 0
        for seen, (start, end) in enumerate(_spans(submission, rule)):
            if kept >= MOST_EVIDENCE or seen >= _MOST_HITS:
                break
            if any(start < other_end and other_start < end for other_start, other_end, _ in found):
                continue
            if accept is not None and not accept(submission.corpus[start:end].decode()):
                continue
            found.append((start, end, rule))
            kept += 1
    evidence = [_evidence(submission, hit, weigh, mask=mask) for hit in sorted(found, key=lambda hit: hit[0])]
    return bounded(evidence)


def bounded(evidence: Iterable[Evidence]) -> Finding:
    """A finding of at most MOST_EVIDENCE pieces, the weightiest kept, in the order of the card."""
    items = list(evidence)
    if len(items) > MOST_EVIDENCE:
        by_weight = sorted(range(len(items)), key=lambda place: (-_WEIGHT[items[place].severity], place))
        items = [items[place] for place in sorted(by_weight[:MOST_EVIDENCE])]
    return Finding(tuple(items))


def about(
    path: str,
    message: str,
    severity: Severity,
    *,
    text: str = "",
    character_id: str | None = None,
    label: str | None = None,
    score: float | None = None,
    is_grave: bool = False,
) -> Evidence:
    """Evidence about a whole field, or about something that is not there."""
    return Evidence(
        path=path,
        start=0,
        end=0,
        excerpt=excerpt(text, LONGEST_EXCERPT),
        message=message,
        severity=severity,
        character_id=character_id,
        label=label,
        score=score,
        is_grave=is_grave,
    )


def passage(
    text: Text,
    start: int,
    end: int,
    message: str,
    severity: Severity,
    *,
    label: str | None = None,
    score: float | None = None,
    remark: str | None = None,
    is_grave: bool = False,
) -> Evidence:
    """Evidence of the characters `start` to `end` of `text`, with a little of what stands around them."""
    return Evidence(
        path=text.path,
        start=start,
        end=end,
        excerpt=_around(text.value, start, end),
        message=message,
        severity=severity,
        is_key=text.is_key,
        label=label,
        score=score,
        remark=remark,
        is_grave=is_grave,
    )


def _spans(submission: Submission, rule: Rule) -> Iterable[tuple[int, int]]:
    corpus = submission.corpus
    group = 1 if rule.pattern.groups else 0
    for match in rule.pattern.finditer(corpus):
        start, end = match.span(group)
        if start < 0:
            # The alternative that matched has no group: the whole of it is the evidence.
            start, end = match.span()
        # A pattern may begin or end with "whatever stands before", and that may be the border of two texts.
        while start < end and corpus[start] == SEPARATOR:
            start += 1
        while end > start and corpus[end - 1] == SEPARATOR:
            end -= 1
        if start < end:
            yield start, end


def _evidence(
    submission: Submission,
    hit: tuple[int, int, Rule],
    weigh: Callable[[Text, Rule], Severity] | None,
    *,
    mask: bool,
) -> Evidence:
    text, start, end = submission.locate(hit[0], hit[1])
    rule = hit[2]
    severity = weigh(text, rule) if weigh is not None else rule.severity
    shown = f"{text.value[start : start + 6]}… ({end - start})" if mask else _around(text.value, start, end)
    return Evidence(
        path=text.path,
        start=start,
        end=end,
        excerpt=shown,
        message=rule.message,
        severity=severity,
        is_key=text.is_key,
    )


def _around(value: str, start: int, end: int) -> str:
    """The passage with up to 30 characters on each side, on one line; what is invisible is written out."""
    end = min(end, start + LONGEST_EXCERPT - 2 * _CONTEXT - 2)
    before, after = max(0, start - _CONTEXT), min(len(value), end + _CONTEXT)
    shown = "".join(f"‹{ord(c):X}›" if _is_invisible(c) else c for c in value[before:after])
    line = " ".join(shown.split())
    return ("…" if before else "") + line[: LONGEST_EXCERPT - 2] + ("…" if after < len(value) else "")


def _is_invisible(character: str) -> bool:
    return not character.isprintable() and not character.isspace()
