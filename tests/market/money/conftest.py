"""A creator who can be paid."""

import pytest

from tests.market.money.test_payouts import aim, earn


@pytest.fixture
def earner(session, creator, now):
    earn(session, creator, now)
    aim(session, creator)
    return creator
