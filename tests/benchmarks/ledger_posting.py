"""Posting sales: ours with all that PostgreSQL checks, a plain insert of the same rows, and django-hordak, on one server."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.kit.clock import utc_now
from studio.kit.db import transaction
from studio.market.money import bookkeeping, ledger
from studio.market.money.bookkeeping import Posting, Terms
from tests.benchmarks.harness import Context, Result, Side, faster, in_turns
from tests.benchmarks.rows import add_people
from tests.benchmarks.servers import Servers, servers

PLAIN_GOAL, HORDAK_GOAL = 0.5, 3.0
PLAIN, HORDAK = "a plain insert of the same rows", "django-hordak 2.0"
_AT_A_TIME = 50
_PLAIN_TABLES = """
CREATE TABLE plain_transactions (LIKE ledger_transactions INCLUDING ALL);
CREATE TABLE plain_entries (LIKE ledger_entries INCLUDING ALL);
"""


def run(context: Context) -> list[Result]:
    """Sales a second, each posted and committed by itself over one connection."""
    with servers(context.folder) as here:
        _, creators = add_people(here, 100)
        with here.admin() as connection:
            connection.execute(_PLAIN_TABLES)
            connection.execute("GRANT ALL ON plain_transactions, plain_entries TO PUBLIC")
        sides = {"ours": _ours(here, creators), PLAIN: _plain(here, creators), HORDAK: _hordak(here)}
        rates = in_turns(sides, rounds=context.size(5, 1), seconds=context.size(6, 1))
        for name, rate in rates.items():
            context.say(f"{name}: {rate:,.0f} sales/s")
    return [
        faster(
            "a sale posted and committed",
            ours=rates["ours"],
            peer=rates[PLAIN],
            peer_name=PLAIN,
            goal=PLAIN_GOAL,
            unit="sales/s",
        ),
        faster(
            "a sale posted and committed",
            ours=rates["ours"],
            peer=rates[HORDAK],
            peer_name=HORDAK,
            goal=HORDAK_GOAL,
            unit="sales/s",
        ),
    ]


def _sales(creators: list[UUID], now: datetime) -> Iterator[Posting]:
    for number in itertools.count():
        terms = Terms(uuid7(), creators[number % len(creators)], uuid7(), "USD", 499, 74)
        made = bookkeeping.sale(terms, at=now)
        assert made is not None
        # The purchase and its character are not in the database: what is measured is the ledger.
        yield Posting(
            key=made.key, kind=made.kind, entries=made.entries, occurred_at=now, creator_id=made.creator_id, note=""
        )


def _ours(here: Servers, creators: list[UUID]) -> Side:
    sales = _sales(creators, utc_now())
    # One connection that stays, as Django keeps its own.
    session = Session(here.engine.connect(), expire_on_commit=False)

    def side() -> int:
        for posting in itertools.islice(sales, _AT_A_TIME):
            with transaction(session):
                ledger.post(session, posting)
        return _AT_A_TIME

    return side


def _plain(here: Servers, creators: list[UUID]) -> Side:
    sales = _sales(creators, utc_now())
    row = sa.text(
        "INSERT INTO plain_transactions (id, key, kind, currency, entry_count, occurred_at, creator_id, note) "
        "VALUES (:id, :key, :kind, :currency, 3, :occurred_at, :creator_id, '')"
    )
    entries = sa.text(
        "INSERT INTO plain_entries (transaction_id, ordinal, account_id, amount_minor) VALUES "
        "(:id, 0, :a0, :m0), (:id, 1, :a1, :m1), (:id, 2, :a2, :m2)"
    )

    session = Session(here.engine.connect(), expire_on_commit=False)

    def side() -> int:
        for posting in itertools.islice(sales, _AT_A_TIME):
            made = uuid7()
            values: dict[str, Any] = {"id": made}
            for n, entry in enumerate(posting.entries):
                values |= {f"a{n}": entry.account.id, f"m{n}": entry.amount_minor}
            with transaction(session):
                session.execute(
                    row,
                    {
                        "id": made,
                        "key": posting.key,
                        "kind": posting.kind.value,
                        "currency": posting.currency,
                        "occurred_at": posting.occurred_at,
                        "creator_id": posting.creator_id,
                    },
                )
                session.execute(entries, values)
        return _AT_A_TIME

    return side


def _hordak(here: Servers) -> Side:
    from tests.benchmarks.peers import django_hordak

    django_hordak.configure(here.database_url)
    return django_hordak.posting(accounts=100, at_a_time=_AT_A_TIME)
