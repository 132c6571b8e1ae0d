from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.kit.money import Money
from studio.market.catalogue import rules
from studio.market.models import LicenseType

TEXTS = rules.ListingTexts("Title", "Words", ("a", "b"))
BASE = {
    "version": {"id": "1", "hash": "h"},
    "texts": TEXTS,
    "category": "c",
    "price": Money(100, "USD"),
    "license_type": LicenseType.PREMIUM,
}


class TestListingHash:
    @pytest.mark.parametrize(
        "change",
        [
            {"version": {"id": "2", "hash": "h"}},
            {"version": {"id": "1", "hash": "i"}},
            {"texts": rules.ListingTexts("Other", "Words", ("a", "b"))},
            {"texts": rules.ListingTexts("Title", "Other", ("a", "b"))},
            {"texts": rules.ListingTexts("Title", "Words", ("b", "a"))},
            {"category": "d"},
            {"price": Money(101, "USD")},
            {"price": Money(100, "EUR")},
            {"license_type": LicenseType.EXCLUSIVE},
        ],
    )
    def test_changes_with_everything_that_goes_live(self, change):
        assert rules.listing_hash(**{**BASE, **change}) != rules.listing_hash(**BASE)

    @given(st.text(), st.text(), st.text(), st.text())
    def test_tells_fields_apart(self, a, b, c, d):
        first = rules.listing_hash(**{**BASE, "texts": rules.ListingTexts(a, b, ())})
        second = rules.listing_hash(**{**BASE, "texts": rules.ListingTexts(c, d, ())})
        assert (first == second) == ((a, b) == (c, d))


class TestDueAt:
    def test_is_two_days_on_a_weekday(self):
        opened = datetime(2026, 11, 18, 12, tzinfo=UTC)
        assert rules.due_at(opened) == opened + timedelta(days=2)

    @pytest.mark.parametrize("day", [21, 22])
    def test_counts_a_weekend_from_monday_morning(self, day):
        assert rules.due_at(datetime(2026, 11, day, 20, tzinfo=UTC)) == datetime(2026, 11, 25, 9, tzinfo=UTC)

    @given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_is_never_sooner_than_two_days(self, opened):
        assert timedelta(days=2) <= rules.due_at(opened) - opened <= timedelta(days=5)


class TestSplitTags:
    def test_takes_latin_and_chinese_separators(self):
        assert rules.split_tags("海, 安静，灯塔、信 ;; sea\nfog") == ["海", "安静", "灯塔", "信", "sea", "fog"]
