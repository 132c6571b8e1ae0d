"""What is done by itself, and how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Periodic:
    """A job that is asked for once in each period; periods begin at midnight UTC of 1970, moved by `offset`."""

    name: str
    every: timedelta
    offset: timedelta = timedelta(0)

    def period(self, now: datetime) -> int:
        """The number of the period in which `now` lies."""
        return int((now - _BEGINNING - self.offset) / self.every)

    def next_at(self, now: datetime) -> datetime:
        """When the next period begins."""
        return _BEGINNING + self.offset + (self.period(now) + 1) * self.every


PERIODIC: Sequence[Periodic] = (
    Periodic("authoring.archive_dormant", timedelta(days=1), offset=timedelta(hours=2, minutes=50)),
    Periodic("authoring.sweep_card_batches", timedelta(hours=1), offset=timedelta(minutes=23)),
    Periodic("authoring.sweep_previews", timedelta(hours=1), offset=timedelta(minutes=7)),
    Periodic("chat.sweep", timedelta(minutes=30), offset=timedelta(minutes=13)),
    Periodic("money.check_money", timedelta(hours=1), offset=timedelta(minutes=37)),
    Periodic("money.close_month", timedelta(days=1), offset=timedelta(hours=2, minutes=10)),
    Periodic("money.expire_purchases", timedelta(minutes=5), offset=timedelta(minutes=1)),
    Periodic("money.release_earnings", timedelta(hours=1), offset=timedelta(minutes=11)),
    Periodic("editing.sweep", timedelta(hours=6), offset=timedelta(hours=1, minutes=13)),
    Periodic("market.look_after_listings", timedelta(minutes=1)),
    Periodic("market.release_stuck_screenings", timedelta(minutes=5), offset=timedelta(minutes=2)),
    Periodic("market.tend_desk", timedelta(minutes=2), offset=timedelta(seconds=20)),
    Periodic("media.sweep", timedelta(hours=6), offset=timedelta(hours=1, minutes=51)),
    Periodic("memory.embed_missing", timedelta(minutes=10), offset=timedelta(minutes=3)),
    Periodic("memory.ensure_indexes", timedelta(hours=6), offset=timedelta(minutes=41)),
    Periodic("operations.collect_error_files", timedelta(minutes=5)),
    Periodic("operations.empty_trash", timedelta(hours=6), offset=timedelta(hours=2, minutes=31)),
    Periodic("operations.prune_errors", timedelta(days=1), offset=timedelta(hours=3, minutes=20)),
    Periodic("operations.prune_jobs", timedelta(days=1), offset=timedelta(hours=3, minutes=40)),
    Periodic("operations.sweep_exports", timedelta(hours=6), offset=timedelta(minutes=23)),
    Periodic("voices.sweep", timedelta(hours=1), offset=timedelta(minutes=43)),
)
"""Each must find little to do when it comes too often, and need no arguments: anybody of staff may start it at any time."""


def find(name: str) -> Periodic | None:
    """The periodic job of that name, or None."""
    return next((periodic for periodic in PERIODIC if periodic.name == name), None)
