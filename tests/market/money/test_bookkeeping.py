"""Worked examples of bookkeeping: what each account holds after each event. `docs/how-to/money.md` tells the same ones."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.kit.money import Money
from studio.market.models import AccountKind as Kind
from studio.market.money import bookkeeping as books
from studio.market.money.bookkeeping import Account, Terms

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CREATOR = UUID(int=1)
PAYOUT = {"payout_id": UUID(int=9), "creator_id": CREATOR, "currency": "USD", "at": AT}


def terms(price, *, fee_bps=1500, currency="USD", purchase=7):
    fee = books.fee_of(price, fee_bps=fee_bps)
    return Terms(UUID(int=purchase), CREATOR, UUID(int=3), currency, price, fee)


def held(*postings, currency="USD"):
    """Each account's balance after `postings`, by its plain name; accounts at zero are left out."""
    found = books.balances(posting for posting in postings if posting is not None)
    assert sum(found.values()) == 0
    return {account.kind.value: amount for account, amount in found.items() if amount and account.currency == currency}


class TestSale:
    def test_of_five_dollars_at_fifteen_percent(self):
        assert held(books.sale(terms(500), at=AT)) == {
            "provider": -500,  # holds 5.00 for the studio
            "creator_pending": 425,
            "platform_revenue": 75,
        }

    def test_of_one_cent_leaves_the_cent_to_the_creator(self):
        assert held(books.sale(terms(1), at=AT)) == {"provider": -1, "creator_pending": 1}

    def test_rounds_the_fee_down_so_that_the_remainder_is_the_creators(self):
        # 15 % of 4.99 is 74.85 cents.
        assert held(books.sale(terms(499), at=AT)) == {"provider": -499, "creator_pending": 425, "platform_revenue": 74}

    def test_of_nothing_is_no_posting(self):
        assert books.sale(terms(0), at=AT) is None
        assert books.release(terms(0), at=AT) is None
        assert books.refund(terms(0), is_released=False, at=AT) is None

    def test_of_an_exclusive_is_a_sale_like_any_other(self):
        assert held(books.sale(terms(100_000), at=AT)) == {
            "provider": -100_000,
            "creator_pending": 85_000,
            "platform_revenue": 15_000,
        }

    def test_in_two_currencies_stays_in_two(self):
        sold = [books.sale(terms(500), at=AT), books.sale(terms(3000, currency="CNY", purchase=8), at=AT)]
        assert held(*sold) == {"provider": -500, "creator_pending": 425, "platform_revenue": 75}
        assert held(*sold, currency="CNY") == {"provider": -3000, "creator_pending": 2550, "platform_revenue": 450}


class TestRelease:
    def test_moves_the_creators_part_from_pending_to_available(self):
        assert held(books.sale(terms(500), at=AT), books.release(terms(500), at=AT)) == {
            "provider": -500,
            "creator_available": 425,
            "platform_revenue": 75,
        }


class TestRefund:
    def test_within_the_hold_leaves_nothing(self):
        assert held(books.sale(terms(500), at=AT), books.refund(terms(500), is_released=False, at=AT)) == {}

    def test_after_the_hold_leaves_nothing(self):
        life = [books.sale(terms(500), at=AT), books.release(terms(500), at=AT)]
        assert held(*life, books.refund(terms(500), is_released=True, at=AT)) == {}

    def test_after_the_payout_is_carried_forward_as_a_negative_balance(self):
        life = [
            books.sale(terms(500), at=AT),
            books.release(terms(500), at=AT),
            books.payout(amount_minor=425, **PAYOUT),
            books.payout_settlement(amount_minor=425, **PAYOUT),
        ]
        assert held(*life) == {"provider": -75, "platform_revenue": 75}
        after = [*life, books.refund(terms(500), is_released=True, at=AT)]
        assert held(*after) == {"provider": 425, "creator_available": -425}
        # The next sale of 10.00 brings 8.50, of which 4.25 pays the debt.
        later = terms(1000, purchase=8)
        assert held(*after, books.sale(later, at=AT), books.release(later, at=AT)) == {
            "provider": -575,
            "creator_available": 425,
            "platform_revenue": 150,
        }


class TestDispute:
    def test_that_is_lost_costs_creator_and_platform_what_they_had_and_the_platform_the_fee(self):
        life = [
            books.sale(terms(500), at=AT),
            books.dispute(terms(500), is_released=False, at=AT),
            books.dispute_fee(terms(500), fee=Money(1500, "USD"), at=AT),
        ]
        assert held(*life) == {"provider": 1500, "provider_fees": -1500}

    def test_that_is_won_brings_everything_back(self):
        life = [
            books.sale(terms(500), at=AT),
            books.dispute(terms(500), is_released=False, at=AT),
            books.dispute_reversal(terms(500), is_released=False, at=AT),
        ]
        assert held(*life) == held(books.sale(terms(500), at=AT))

    def test_may_come_twice_under_two_keys(self):
        keys = {books.dispute(terms(500), is_released=False, at=AT, times=times).key for times in (1, 2)}
        assert len(keys) == 2


class TestPayout:
    LIFE = (books.sale(terms(500), at=AT), books.release(terms(500), at=AT), books.payout(amount_minor=425, **PAYOUT))

    def test_under_way_is_in_transit_and_not_available(self):
        assert held(*self.LIFE) == {"provider": -500, "payouts_in_transit": 425, "platform_revenue": 75}

    def test_that_fails_is_available_again(self):
        assert held(*self.LIFE, books.payout_reversal(amount_minor=425, **PAYOUT)) == held(*self.LIFE[:2])

    def test_that_is_paid_leaves_the_provider_with_the_fee(self):
        paid = books.payout_settlement(amount_minor=425, **PAYOUT)
        assert held(*self.LIFE, paid) == {"provider": -75, "platform_revenue": 75}


class TestCorrection:
    def test_is_borne_by_the_platform(self):
        given_back = books.correction(
            key="1", creator_id=CREATOR, character_id=None, currency="USD", amount_minor=10, note="x", at=AT
        )
        assert held(given_back) == {"platform_revenue": -10, "creator_available": 10}


class TestEveryPrice:
    @given(st.integers(0, 10**12), st.integers(0, 10_000))
    def test_is_shared_without_a_rest(self, price, fee_bps):
        fee = books.fee_of(price, fee_bps=fee_bps)
        assert 0 <= fee <= price
        # Never more than the share, and less than one unit below it.
        assert fee * 10_000 <= price * fee_bps < (fee + 1) * 10_000

    @given(st.integers(1, 10**9), st.integers(0, 10_000), st.booleans())
    def test_is_whole_again_after_refund_or_won_dispute(self, price, fee_bps, is_released):
        agreed = terms(price, fee_bps=fee_bps)
        sold = [books.sale(agreed, at=AT), *([books.release(agreed, at=AT)] if is_released else [])]
        assert held(*sold, books.refund(agreed, is_released=is_released, at=AT)) == {}
        disputed = [
            books.dispute(agreed, is_released=is_released, at=AT),
            books.dispute_reversal(agreed, is_released=is_released, at=AT),
        ]
        assert held(*sold, *disputed) == held(*sold)

    @pytest.mark.parametrize(("price", "fee_bps"), [(-1, 1500), (100, -1), (100, 10_001)])
    def test_that_is_none_is_refused(self, price, fee_bps):
        with pytest.raises(ValueError, match="A price is not negative"):
            books.fee_of(price, fee_bps=fee_bps)


class TestAccounts:
    def test_of_creators_have_an_owner_and_others_none(self):
        with pytest.raises(ValueError, match="has an owner"):
            Account(Kind.CREATOR_PENDING, "USD")
        with pytest.raises(ValueError, match="has an owner"):
            Account(Kind.PROVIDER, "USD", CREATOR)

    def test_are_known_by_kind_currency_and_owner(self):
        ids = {Account(Kind.CREATOR_PENDING, currency, UUID(int=n)).id for currency in ("USD", "CNY") for n in (1, 2)}
        assert len(ids) == 4
        assert Account(Kind.CREATOR_PENDING, "USD", CREATOR).id == Account(Kind.CREATOR_PENDING, "USD", CREATOR).id
