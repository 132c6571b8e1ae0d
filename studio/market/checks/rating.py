"""Words of young age and of sexual or cruel content against the rating: hints for a person, in English and Chinese."""

from dataclasses import replace

from studio.market.checks.base import Check, Finding, Rule, bounded, search
from studio.market.checks.submission import Submission
from studio.market.models import Severity

_INFO, _WARNING, _SEVERE = Severity.INFO, Severity.WARNING, Severity.SEVERE
_YOUNG = "This tells of, or suggests, someone who is under age."

_YOUNG_RULES = (
    Rule(r"\b(?:1[0-7]|[1-9])[ -]?(?:years?[ -]old|years? of age|y[./]?o\b|yrs? old)", _INFO, _YOUNG),
    Rule(r"\bage[d]?\s*(?:[:=：]|is|of)?\s*[\"'(\[]?\s*(?:1[0-7]|[1-9])\b[^0-9.%]", _INFO, _YOUNG),
    Rule(r"\b(?:eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)[ -]years?[ -]old\b", _INFO, _YOUNG),
    Rule(r"(?:^|[^0-9])((?:1[0-7]|[1-9])\s*(?:周)?[岁歲])", _INFO, _YOUNG),
    Rule(r"年[龄齡]\s*[:：]?\s*((?:1[0-7]|[1-9]))(?:$|[^0-9])", _INFO, _YOUNG),
    Rule(
        r"(?:^|[^0-9一二三四五六七八九十百千两])((?:十[一二三四五六七]?|[一二三四五六七八九])(?:周)?[岁歲])",
        _INFO,
        _YOUNG,
    ),
    Rule(
        r"\b(?:loli(?:s|ta|con)?|shota(?:s|con)?|under-?age(?:d)?|pre-?teen(?:s|ager)?|school ?girl|school ?boy"
        r"|child-?like body|child'?s body|toddler|kindergart(?:en|ner)|(?:elementary|primary|middle) school(?:er| student| girl| boy)"
        r"|high school(?:er| student| girl| boy))",
        _INFO,
        _YOUNG,
    ),
    Rule(
        r"萝莉|蘿莉|正太|未成年|幼女|幼童|幼齿|女童|男童|小学生|小學生|初中生|高中生|中学生|中學生|ロリ|ショタ|女子高生",
        _INFO,
        _YOUNG,
    ),
)
_SEXUAL_RULES = (
    Rule(
        r"\b(?:nsfw|sex|sexual(?:ly)?|sexy|erotic|hentai|porn(?:ographic)?|nudes?|nudity|naked|orgasms?|fetish(?:es)?|lewd|smut"
        r"|aroused|horny|penis|vagina|masturbat(?:e|es|ing|ion)|seduc(?:e|es|ing|tive))\b",
        _INFO,
        "This is, or points to, sexual content.",
    ),
    Rule(
        r"色情|性爱|性愛|做爱|做愛|裸体|裸體|情色|性欲|性慾|淫荡|淫蕩|淫乱|肉文|性奴|自慰|发情|發情|\br-?18|成人向|工口|本番",
        _INFO,
        "This is, or points to, sexual content.",
    ),
)
_CRUEL_RULES = (
    Rule(
        r"\b(?:gore|torture[ds]?|torturing|mutilat(?:e|ed|ion)|dismember(?:ed|ment)?|rape[ds]?|raping)\b"
        r"|虐杀|虐殺|肢解|酷刑|强奸|強姦|血腥",
        _INFO,
        "This is, or points to, cruelty.",
    ),
)
_YOUNG_AND_SEXUAL = (
    "Words of young age in a card with sexual words or an adult rating: look closely before anything else."
)
_BEYOND_RATING = "This is more than the rating says."
_ADULT = {"mature", "explicit"}


def _look(submission: Submission) -> Finding:
    young = search(submission, _YOUNG_RULES).evidence
    sexual = search(submission, _SEXUAL_RULES).evidence
    cruel = search(submission, _CRUEL_RULES).evidence
    is_adult = submission.rating in _ADULT
    if young and (sexual or submission.rating == "explicit"):
        young = tuple(replace(item, severity=_SEVERE, message=_YOUNG_AND_SEXUAL) for item in young)
    if not is_adult:
        sexual = tuple(replace(item, severity=_WARNING, message=_BEYOND_RATING) for item in sexual)
    if submission.rating == "general":
        cruel = tuple(replace(item, severity=_WARNING, message=_BEYOND_RATING) for item in cruel)
    return bounded([*young, *sexual, *cruel])


CHECK = Check("rating", 1, "Age and content rating", _look)
