"""When a review is due: working days counted where the team works, a weekend's submissions from Monday morning."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from studio.settings import Settings

_SATURDAY = 5
_MORNING = time(9)


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon a creator can count on an answer: so many working days, in the time zone of the team."""

    days: int = 2
    zone: tzinfo = UTC


def pace_from(settings: Settings) -> Pace:
    """The pace that whoever runs the studio set."""
    return Pace(days=settings.review_days, zone=ZoneInfo(settings.review_time_zone))


def due_at(opened_at: datetime, *, pace: Pace | None = None) -> datetime:
    """When a case opened at `opened_at` should be decided, in UTC.

    What is opened at a weekend counts from Monday, nine o'clock; days that fall on a weekend do not count.
    """
    pace = pace or Pace()
    # Wall clock from here on: nine o'clock stays nine o'clock through a change to summer time.
    moment = opened_at.astimezone(pace.zone)
    if moment.weekday() >= _SATURDAY or (moment.weekday() == 0 and moment.time() < _MORNING):
        # The early hours of Monday as well: what is opened later is never due sooner.
        monday = moment.date() + timedelta(days=-moment.weekday() % 7)
        moment = datetime.combine(monday, _MORNING, tzinfo=pace.zone)
    left = pace.days
    while left:
        moment += timedelta(days=1)
        left -= moment.weekday() < _SATURDAY
    return moment.astimezone(UTC)
