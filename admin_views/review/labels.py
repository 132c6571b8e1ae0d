"""What people read at the desk for reasons, risks, likenesses, switches and what models say, in their language."""

from datetime import timedelta
from typing import Any

from flask_babel import format_timedelta, gettext
from flask_babel import lazy_gettext as _l

from studio.market.models import CheckMode, LookReason, MatchKind
from studio.market.screening import risk

REASON_LABELS = {
    LookReason.NEW_CREATOR: _l("new creator"),
    LookReason.REPORTED: _l("reported"),
    LookReason.SCREENING: _l("held by screening"),
    LookReason.APPEAL: _l("appeal"),
    LookReason.CHANGED_AFTER_APPROVAL: _l("changed after approval"),
    LookReason.QUARANTINED: _l("quarantined"),
    LookReason.REQUEUED: _l("put back"),
}

REASON_KINDS = {
    LookReason.NEW_CREATOR: "info",
    LookReason.REPORTED: "severe",
    LookReason.SCREENING: "severe",
    LookReason.APPEAL: "warning",
    LookReason.CHANGED_AFTER_APPROVAL: "info",
    LookReason.QUARANTINED: "severe",
    LookReason.REQUEUED: "warning",
}

FACTOR_LABELS = {
    "severe_findings": _l("Severe findings"),
    "warnings": _l("Findings to look at"),
    "unscreened": _l("Checks that could not be done"),
    "copies": _l("Like somebody else's"),
    "pictures": _l("Picture like somebody else's"),
    "open_reports": _l("Open reports"),
    "taken_down": _l("Taken down before"),
    "reports_upheld": _l("Reports that were right"),
    "new_creator": _l("New creator"),
    "rejections": _l("Often sent back"),
    "explicit": _l("Explicit rating"),
    "good_record": _l("Good record"),
    "known_version": _l("Known version"),
}

MATCH_LABELS = {
    MatchKind.EXACT: _l("same card"),
    MatchKind.TEXT: _l("text"),
    MatchKind.PICTURE: _l("picture"),
    MatchKind.IDEA: _l("idea"),
}

MODE_LABELS = {
    CheckMode.OFF: _l("Off"),
    CheckMode.SHADOW: _l("Shadow"),
    CheckMode.ACTIVE: _l("Active"),
}

MODEL_LABELS = {
    "harassment": _l("harassment"),
    "harassment/threatening": _l("threatening harassment"),
    "hate": _l("hate"),
    "hate/threatening": _l("threatening hate"),
    "illicit": _l("illicit acts"),
    "illicit/violent": _l("violent illicit acts"),
    "self-harm": _l("self-harm"),
    "self-harm/intent": _l("intent of self-harm"),
    "self-harm/instructions": _l("instructions for self-harm"),
    "sexual": _l("sexual content"),
    "sexual/minors": _l("sexual content with minors"),
    "violence": _l("violence"),
    "violence/graphic": _l("graphic violence"),
    "minors": _l("sexual content with minors"),
    "real_person": _l("a real person"),
    "self_harm": _l("self-harm"),
    "illegal": _l("instructions for crimes"),
    "rating": _l("beyond its rating"),
    "advertising": _l("advertising"),
    "injection": _l("instructions to a model"),
    "copyright": _l("somebody's published work"),
}
"""What moderation models and the judge call things; what is not here is shown as the model says it."""


def reason_label(reason: LookReason) -> str:
    """Why a case deserves a second look."""
    return str(REASON_LABELS[reason])


def reason_kind(reason: LookReason) -> str:
    """The colour of a reason's mark."""
    return REASON_KINDS[reason]


def factor_label(name: str) -> str:
    """A factor of the risk."""
    return str(FACTOR_LABELS.get(name, name))


def factor_why(name: str) -> str:
    """The sentence behind a factor of the risk."""
    return gettext(risk.WHY[name]) if name in risk.WHY else ""


def risk_kind(score: int) -> str:
    """The colour of a risk's mark."""
    return "severe" if score >= risk.HIGH else "warning" if score >= risk.RAISED else "good"


def match_label(kind: MatchKind) -> str:
    """In what two characters are alike."""
    return str(MATCH_LABELS[kind])


def mode_label(mode: CheckMode) -> str:
    """How a check's switch stands."""
    return str(MODE_LABELS[mode])


def model_label(label: str) -> str:
    """What a model calls something."""
    return str(MODEL_LABELS.get(label, label))


def duration(span: timedelta | None) -> str:
    """A length of time in the reader's words; a dash where there is none."""
    return "–" if span is None else format_timedelta(span, granularity="minute", threshold=1.5)


def labels() -> dict[str, Any]:
    """All of these for templates."""
    return {
        "look_label": reason_label,
        "look_kind": reason_kind,
        "factor_label": factor_label,
        "factor_why": factor_why,
        "risk_kind": risk_kind,
        "match_label": match_label,
        "mode_label": mode_label,
        "model_label": model_label,
        "duration": duration,
    }
