"""Money as whole minor units and a currency: never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from babel.numbers import NumberFormatError, parse_decimal

from studio.kit.errors import InvalidError

EXPONENTS = {"USD": 2, "EUR": 2, "GBP": 2, "CNY": 2, "HKD": 2, "TWD": 2, "JPY": 0, "KRW": 0}
"""ISO 4217 currencies that the studio prices in, and the digits of their minor unit."""

MOST_MINOR = 10_000_000_00
"""No single price is higher: a slip of the keyboard is likelier than a card for ten million."""

_NUMBER, _RANGE, _DECIMALS = "number", "range", "decimals"
_SAID = {
    "price": {
        _NUMBER: "Write the price as a number, like 1500 or 4.99.",
        _RANGE: "The price must be zero or more, and below ten million.",
        _DECIMALS: "The price has more decimals than the currency.",
    },
    "amount": {
        _NUMBER: "Write the amount as a number, like 1500 or 4.99.",
        _RANGE: "The amount must be zero or more, and below ten million.",
        _DECIMALS: "The amount has more decimals than the currency.",
    },
}
"""What is said of a number that cannot be, by what it is of."""
# Digits of other scripts and exponents are numbers to Python, and not what anybody means by a price.
_TYPED = re.compile(r"[0-9]+(?:[.,'\u2019 \u00a0\u202f][0-9]+)*")
# A comma with one or two digits after it can group nothing: it is where the decimals begin.
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]{1,2}")
# A longer number is above every limit.
_MOST_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the minor units (cents, fen) of one currency."""

    minor: int
    currency: str

    def __str__(self) -> str:
        """For logs and machines: people read it in their own way of writing money."""
        return f"{self.amount} {self.currency}"

    @property
    def amount(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.minor).scaleb(-EXPONENTS[self.currency])


def parse_price(
    amount: str, currency: str, *, locale: str = "en", field: Literal["price", "amount"] = "price"
) -> Money:
    """The price that a person typed ("4.99", "1,500.00", "4,99"), grouped as `locale` groups; nothing typed is nothing.

    Raises InvalidError, naming the `field` and what would be right, for everything that could mean two amounts.
    """
    said = _SAID[field]
    currency = currency.strip().upper()
    if currency not in EXPONENTS:
        raise InvalidError(
            "Choose one of the offered currencies.", fields={"currency": "This currency is not offered."}
        )
    typed = amount.strip() or "0"
    if (typed[1:].isdecimal() and typed[0] in "-\u2212") or sum(sign.isdigit() for sign in typed) > _MOST_DIGITS:
        raise _refusal(field, said[_RANGE])
    if not _TYPED.fullmatch(typed):
        raise _refusal(field, said[_NUMBER])
    if _DECIMAL_COMMA.fullmatch(typed):
        value = Decimal(typed.replace(",", "."))
    else:
        try:
            value = parse_decimal(typed, locale=locale, strict=True)
        except NumberFormatError:
            raise _refusal(field, "This could mean more than one amount. Write 1500 or 1500.00.") from None
    scaled = value.scaleb(EXPONENTS[currency])
    if scaled != scaled.to_integral_value():
        raise _refusal(field, said[_DECIMALS])
    if not 0 <= scaled <= MOST_MINOR:
        raise _refusal(field, said[_RANGE])
    return Money(int(scaled), currency)


def _refusal(field: str, sentence: str) -> InvalidError:
    return InvalidError(sentence, fields={field: sentence})
