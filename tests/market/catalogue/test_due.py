from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from studio.market.catalogue import due
from studio.market.catalogue.due import Pace
from studio.settings import Settings

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


class TestDueAt:
    def test_counts_working_days(self):
        friday = datetime(2026, 11, 20, 15, tzinfo=UTC)
        assert due.due_at(friday) == datetime(2026, 11, 24, 15, tzinfo=UTC)
        assert due.due_at(friday, pace=Pace(days=5)) == datetime(2026, 11, 27, 15, tzinfo=UTC)

    def test_counts_a_weekend_from_monday_nine_where_the_team_works(self):
        # Saturday in Shanghai, while it is still Friday in Greenwich.
        moment = datetime(2026, 11, 20, 17, tzinfo=UTC)
        assert due.due_at(moment, pace=Pace(days=1, zone=SHANGHAI)) == datetime(2026, 11, 24, 9, tzinfo=SHANGHAI)
        assert due.due_at(moment, pace=Pace(days=1)) == datetime(2026, 11, 23, 17, tzinfo=UTC)

    def test_nine_o_clock_stays_nine_o_clock_in_summer_time(self):
        saturday = datetime(2026, 3, 28, 12, tzinfo=UTC)
        assert due.due_at(saturday, pace=Pace(days=1, zone=BERLIN)) == datetime(2026, 3, 31, 9, tzinfo=BERLIN)

    @settings(max_examples=50)
    @given(
        st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9)),
        st.integers(1, 30),
        st.sampled_from([UTC, SHANGHAI, BERLIN]),
    )
    def test_falls_on_a_working_day_and_keeps_the_order(self, opened, later, days, zone):
        pace = Pace(days=days, zone=zone)
        first, second = due.due_at(opened, pace=pace), due.due_at(opened + later, pace=pace)
        assert first.astimezone(zone).weekday() < 5
        assert first - opened >= timedelta(days=days) - timedelta(hours=2)
        # An hour that summer time takes away or gives twice may turn the order of two within that hour.
        assert second >= first - timedelta(hours=1)


class TestPaceFrom:
    def test_is_what_was_set(self):
        made = due.pace_from(Settings(_env_file=None, review_days=3, review_time_zone="Asia/Shanghai"))
        assert made == Pace(days=3, zone=SHANGHAI)

    @pytest.mark.parametrize("zone", ["Middle/Earth", "../../etc/passwd", ""])
    def test_refuses_a_zone_that_is_none(self, zone):
        with pytest.raises(ValidationError, match="no such time zone"):
            Settings(_env_file=None, review_time_zone=zone)
