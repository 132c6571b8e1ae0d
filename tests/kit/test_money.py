"""Prices are read as people type them, exactly, or refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.kit.errors import InvalidError
from studio.kit.money import MOST_MINOR, Money, parse_price


class TestParsePrice:
    @pytest.mark.parametrize(
        ("typed", "currency", "minor"),
        [("4.99", "USD", 499), ("4,99", "eur", 499), ("", "CNY", 0), ("120", "JPY", 120)],
    )
    def test_reads_what_people_type(self, typed, currency, minor):
        assert parse_price(typed, currency) == Money(minor, currency.upper())

    @pytest.mark.parametrize("typed", ["-1", "1e12", "abc", "NaN", "Infinity", "0.001", "1.2.3", "١٢,x"])
    def test_refuses_the_rest_and_names_the_field(self, typed):
        with pytest.raises(InvalidError) as refusal:
            parse_price(typed, "USD")
        assert set(refusal.value.fields) == {"price"}

    def test_refuses_an_unknown_currency(self):
        with pytest.raises(InvalidError) as refusal:
            parse_price("1", "XXX")
        assert set(refusal.value.fields) == {"currency"}

    @given(st.integers(0, MOST_MINOR))
    def test_loses_no_cent(self, minor):
        assert parse_price(str(Money(minor, "USD").amount), "USD").minor == minor
