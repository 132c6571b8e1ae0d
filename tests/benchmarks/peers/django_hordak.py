"""django-hordak 2.0 on the same server: a transaction with three legs, as its manual shows it."""

import itertools
from collections.abc import Callable

import django
from django.conf import settings
from sqlalchemy import make_url


def configure(database_url: str) -> None:
    """Set Django and hordak up, and have their tables exist."""
    url = make_url(database_url)
    settings.configure(
        SECRET_KEY="x" * 50,
        INSTALLED_APPS=["django.contrib.contenttypes", "mptt", "djmoney", "hordak"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.database,
                "USER": url.username,
                "PASSWORD": url.password,
                "HOST": url.host,
                "PORT": url.port,
                "CONN_MAX_AGE": None,
            }
        },
        DEFAULT_CURRENCY="USD",
        CURRENCIES=["USD"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def posting(*, accounts: int, at_a_time: int) -> Callable[[], int]:
    """Post sales to the accounts of so many creators, each in a database transaction of its own."""
    from django.db import transaction as database
    from hordak.models import Account, AccountType, Leg, Transaction
    from moneyed import Money

    provider = Account.objects.create(name="provider", type=AccountType.asset, code="1", currencies=["USD"])
    revenue = Account.objects.create(name="revenue", type=AccountType.income, code="2", currencies=["USD"])
    creators = [
        Account.objects.create(name=f"creator {n}", type=AccountType.liability, code=str(n + 10), currencies=["USD"])
        for n in range(accounts)
    ]
    numbers = itertools.count()
    price, net, fee = Money("4.99", "USD"), Money("4.25", "USD"), Money("0.74", "USD")

    def side() -> int:
        for number in itertools.islice(numbers, at_a_time):
            with database.atomic():
                made = Transaction.objects.create(description=f"sale {number}")
                Leg.objects.create(transaction=made, account=provider, debit=price)
                Leg.objects.create(transaction=made, account=creators[number % accounts], credit=net)
                Leg.objects.create(transaction=made, account=revenue, credit=fee)
        return at_a_time

    return side
