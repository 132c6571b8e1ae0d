"""Money as whole minor units and a currency: never a float."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from studio.kit.errors import InvalidError

EXPONENTS = {"USD": 2, "EUR": 2, "GBP": 2, "CNY": 2, "HKD": 2, "TWD": 2, "JPY": 0, "KRW": 0}
"""ISO 4217 currencies that the studio prices in, and the digits of their minor unit."""

MOST_MINOR = 10_000_000_00
"""No single price is higher: a slip of the keyboard is likelier than a card for ten million."""

# A longer number is above every limit, and one like 1e999999 cannot even be reckoned with.
_MOST_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the minor units (cents, fen) of one currency."""

    minor: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.minor).scaleb(-EXPONENTS[self.currency])


def parse_price(amount: str, currency: str) -> Money:
    """The price that a person typed ("4.99", "4,99"), or InvalidError naming the field and what would be right."""
    currency = currency.strip().upper()
    if currency not in EXPONENTS:
        raise InvalidError(
            "Choose one of the offered currencies.", fields={"currency": "This currency is not offered."}
        )
    try:
        value = Decimal(amount.strip().replace(",", ".") or "0")
    except InvalidOperation:
        raise _price_error("Write the price as a number, like 4.99.") from None
    if not value.is_finite():
        raise _price_error("Write the price as a number, like 4.99.")
    if value.adjusted() > _MOST_DIGITS:
        raise _price_error("The price must be zero or more, and below ten million.")
    scaled = value.scaleb(EXPONENTS[currency])
    if scaled != scaled.to_integral_value():
        raise _price_error("The price has more decimals than the currency.")
    if not 0 <= scaled <= MOST_MINOR:
        raise _price_error("The price must be zero or more, and below ten million.")
    return Money(int(scaled), currency)


def _price_error(sentence: str) -> InvalidError:
    return InvalidError(sentence, fields={"price": sentence})
