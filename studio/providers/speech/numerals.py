"""Numbers written as words, in English and in Chinese signs, as digits: what is heard alike is compared alike. Pure."""

import re
from collections.abc import Sequence

_SMALL = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_HUNDRED = 100
_NO_SCALE = 10**12

_SIGNS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_ZEROS = frozenset("零〇")
_UNITS = {"十": 10, "百": 100, "千": 1_000}
_LARGE = ((10**8, "亿億"), (10**4, "万萬"))
_MOST_SIGNS = 24
"""What is longer is no number that anybody says."""

_RUN = re.compile("[零〇一二三四五六七八九两兩十百千万萬亿億]+")


def chinese_as_digits(text: str) -> str:
    """`text` with every number in Chinese signs as digits: "三百零五" is "305", "二〇二六" is "2026"."""
    return _RUN.sub(lambda found: _chinese(found[0]) if len(found[0]) <= _MOST_SIGNS else found[0], text)


def _chinese(run: str) -> str:
    if all(sign in _SIGNS for sign in run):
        # Sign by sign, as years and telephone numbers are read.
        return "".join(str(_SIGNS[sign]) for sign in run)
    value = _chinese_value(run)
    return run if value is None else str(value)


def _chinese_value(run: str, above: int = 1) -> int | None:
    """The number that `run` is, after a unit of `above`; None where nobody writes a number so."""
    for unit, signs in _LARGE:
        place = max(run.rfind(sign) for sign in signs)
        if place >= 0:
            front, rest = run[:place], run[place + 1 :]
            many = _chinese_value(front[1:] if above > 1 and front[:1] in _ZEROS else front)
            few = _chinese_value(rest, unit) if rest else 0
            return many * unit + few if many and few is not None else None
    return _below_ten_thousand(run, above)


def _below_ten_thousand(run: str, above: int) -> int | None:
    if len(run) == 1 and run in _UNITS:
        return _UNITS[run]
    total, unit, is_gap = 0, above, False
    place = 0
    while place < len(run):
        digit, following = _SIGNS.get(run[place]), _UNITS.get(run[place + 1 : place + 2])
        step = 2
        if place == 0 and run[0] == "十":
            # Ten to nineteen are said without a one.
            digit, following, step = 1, _UNITS["十"], 1
        if digit == 0 and not is_gap and (place or above > 1):
            is_gap, step = True, 1
        elif digit and following is not None and (unit == 1 or following < unit or not place):
            total, unit, is_gap = total + digit * following, following, False
        elif digit and place == len(run) - 1:
            # "一百五" leaves its last unit unsaid: what has none is said with a zero in between.
            return total + digit * (1 if is_gap else max(unit // 10, 1))
        else:
            return None
        place += step
    return None if is_gap or not run else total


def english_as_digits(words: Sequence[str]) -> list[str]:
    """`words` with every run of English number words as one number: "two", "hundred", "and", "five" are "205"."""
    found: list[str] = []
    place = 0
    while place < len(words):
        value, used = _english(words, place)
        # Digits that stand alone stay as they are: 007 is not 7.
        found.append(str(value) if used and not (used == 1 and words[place].isdigit()) else words[place])
        place += max(used, 1)
    return found


def _english(words: Sequence[str], start: int) -> tuple[int, int]:
    """(the value, how many words it takes) of the number that begins at `start`; none of them where none does."""
    total = group = 0
    # What may follow is smaller than this: after "twenty" a unit, after "hundred" anything below it.
    room, last_scale = _NO_SCALE, _NO_SCALE
    place = start
    while place < len(words):
        word = words[place]
        small = _SMALL.get(word)
        if place == start and word.isascii() and word.isdigit() and len(word) <= _MOST_SIGNS:
            small = int(word)
            group, room = small, 1
        elif small is not None and small < room and (small or place == start):
            group += small
            room = 10 if small >= 20 else 1  # noqa: PLR2004 - From here on tens.
        elif word == "hundred" and 0 < group < _HUNDRED:
            group, room = group * _HUNDRED, _HUNDRED
        elif word in _SCALES and group and _SCALES[word] < last_scale:
            last_scale = _SCALES[word]
            total, group, room = total + group * last_scale, 0, _HUNDRED
        elif not (word == "and" and room == _HUNDRED and place + 1 < len(words) and words[place + 1] in _SMALL):
            break
        place += 1
    return total + group, place - start
