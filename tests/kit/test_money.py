"""Prices are read as people type them, exactly, or refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.kit.errors import InvalidError
from studio.kit.money import MOST_MINOR, Money, parse_price


class TestParsePrice:
    @pytest.mark.parametrize(
        ("typed", "currency", "minor"),
        [
            ("4.99", "USD", 499),
            ("4,99", "eur", 499),
            ("", "CNY", 0),
            ("120", "JPY", 120),
            ("1,500", "USD", 1500_00),
            ("1,500.50", "USD", 1500_50),
            ("1,234,567", "JPY", 1_234_567),
        ],
    )
    def test_reads_what_people_type(self, typed, currency, minor):
        assert parse_price(typed, currency) == Money(minor, currency.upper())

    @pytest.mark.parametrize(
        "typed",
        [
            "-1",
            "1e12",
            "abc",
            "NaN",
            "Infinity",
            "0.001",
            "1.2.3",
            "١٢,x",
            "٣",
            "1e3",
            "1,50,0",
            "1.500,00",
            "0,500.0.1",
            "1 50",
            "+3",
            "1" * 400,
        ],
    )
    def test_refuses_the_rest_and_names_the_field(self, typed):
        with pytest.raises(InvalidError) as refusal:
            parse_price(typed, "USD")
        assert set(refusal.value.fields) == {"price"}

    def test_groups_as_the_readers_language_does(self):
        assert parse_price("1,500", "CNY", locale="zh_Hans").minor == 1500_00
        with pytest.raises(InvalidError, match="Write 1500 or"):
            parse_price("1.500,00", "USD")

    def test_refuses_an_unknown_currency(self):
        with pytest.raises(InvalidError) as refusal:
            parse_price("1", "XXX")
        assert set(refusal.value.fields) == {"currency"}

    @given(st.integers(0, MOST_MINOR))
    def test_loses_no_cent(self, minor):
        assert parse_price(str(Money(minor, "USD").amount), "USD").minor == minor
