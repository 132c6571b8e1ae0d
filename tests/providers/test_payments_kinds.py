"""The contract that every payment provider keeps, and Stripe's own against a server that speaks its protocol."""

from datetime import timedelta
from typing import get_args
from uuid import uuid4

import pytest
from pydantic import SecretStr

from studio.kit.clock import utc_now
from studio.providers import payments
from studio.providers.breaker import MOST_FAILURES
from studio.providers.errors import (
    ProviderBusyError,
    ProviderNotConfiguredError,
    ProviderRefusedError,
    ProviderRestsError,
)
from studio.providers.payments import KINDS, DestinationError, EventKind, Order, UnsignedEventError
from studio.settings import Settings
from tests.fakes.stripe_server import WEBHOOK_SECRET, StripeServer, signed


@pytest.fixture
def server():
    with StripeServer() as running:
        yield running


def made(kind, server, **values):
    return payments.from_settings(
        Settings(
            _env_file=None,
            secret_key=SecretStr("k"),
            payments_provider=kind,
            payments_key=SecretStr("sk_test_x"),
            payments_webhook_secret=SecretStr(WEBHOOK_SECRET),
            payments_url=server.url,
            **values,
        )
    )


@pytest.fixture(params=sorted(KINDS))
def any_provider(request, server):
    return made(request.param, server)


@pytest.fixture
def stripe(server):
    return made("stripe", server)


def order(**values):
    given = {
        "purchase_id": uuid4(),
        "title": "灯塔看守人",
        "amount_minor": 499,
        "currency": "USD",
        "email": "a@example.com",
        "done_url": "https://studio.example/done",
        "back_url": "https://studio.example/back",
        "expires_at": utc_now() + timedelta(minutes=31),
    }
    return Order(**{**given, **values})


class TestKinds:
    def test_are_those_that_the_setting_offers(self):
        assert set(KINDS) == set(get_args(Settings.model_fields["payments_provider"].annotation))

    def test_of_stripe_needs_its_keys(self):
        with pytest.raises(ProviderNotConfiguredError):
            payments.from_settings(Settings(_env_file=None, payments_provider="stripe"))


class TestEveryKind:
    def test_describes_itself(self, any_provider):
        assert any_provider.name in KINDS
        assert ("Local" in any_provider.label) == any_provider.is_local

    def test_opens_one_checkout_for_one_purchase(self, any_provider):
        one = order()
        assert any_provider.checkout(one) == any_provider.checkout(one)
        assert any_provider.checkout(order()) != any_provider.checkout(one)

    def test_pays_out_once_under_one_id(self, any_provider):
        given = {"payout_id": uuid4(), "destination": "acct_1234567890", "amount_minor": 5, "currency": "USD"}
        assert any_provider.pay_out(**given) == any_provider.pay_out(**given)

    @pytest.mark.parametrize("signature", ["", "t=1,v1=abc", "1.abc", "x"])
    def test_believes_nobody_who_does_not_sign(self, any_provider, signature):
        with pytest.raises(UnsignedEventError):
            any_provider.event(b"{}", signature, now=utc_now())

    @pytest.mark.parametrize("text", ["", "  ", "x" * 200])
    def test_refuses_a_destination_that_is_none(self, any_provider, text):
        with pytest.raises(DestinationError):
            any_provider.checked_destination(text)


class TestStripe:
    def test_is_told_the_price_in_minor_units_and_a_key(self, stripe, server):
        one = order(amount_minor=1200, currency="JPY")
        assert stripe.checkout(one).url.startswith("https://checkout.stripe.example/cs_test_")
        [(path, fields, key)] = server.asked
        assert path == "/v1/checkout/sessions"
        assert fields["line_items[0][price_data][unit_amount]"] == "1200"
        assert fields["line_items[0][price_data][currency]"] == "jpy"
        assert fields["metadata[purchase_id]"] == fields["client_reference_id"] == str(one.purchase_id)
        assert key == f"checkout-{one.purchase_id}"

    def test_pays_once_even_after_it_forgot_its_keys(self, stripe, server):
        given = {"payout_id": uuid4(), "destination": "acct_1234567890", "amount_minor": 5, "currency": "USD"}
        first = stripe.pay_out(**given)
        server.forget_keys()
        assert stripe.pay_out(**given) == first
        assert sum(path == "/v1/transfers" for path, _, _ in server.asked) == 1

    def test_refunds_the_payment_under_the_purchases_key(self, stripe, server):
        purchase_id = uuid4()
        stripe.refund(payment_reference="pi_1", purchase_id=purchase_id, amount_minor=499)
        [(_, fields, key)] = server.asked
        assert (fields["payment_intent"], fields["amount"], key) == ("pi_1", "499", f"refund-{purchase_id}")

    def test_takes_a_payment_that_was_given_back_already_as_given_back(self, stripe, server):
        server.fail_next(400, code="charge_already_refunded")
        stripe.refund(payment_reference="pi_1", purchase_id=uuid4(), amount_minor=499)

    @pytest.mark.parametrize(
        ("status", "error"), [(400, ProviderRefusedError), (402, ProviderRefusedError), (500, ProviderBusyError)]
    )
    def test_that_fails_says_whether_waiting_helps(self, stripe, server, status, error):
        server.fail_next(status)
        with pytest.raises(error):
            stripe.refund(payment_reference="pi_1", purchase_id=uuid4(), amount_minor=1)

    def test_that_cannot_be_reached_is_busy(self, server):
        provider = payments.StripePayments(key="k", webhook_secret="w", url="http://127.0.0.1:9", timeout=2)
        with pytest.raises(ProviderBusyError):
            provider.refund(payment_reference="pi_1", purchase_id=uuid4(), amount_minor=1)

    @pytest.mark.parametrize("text", ["acct_", "cus_1234567890", "acct_123 456 789", "acct_" + "x" * 100])
    def test_takes_only_ids_of_connected_accounts(self, stripe, text):
        with pytest.raises(DestinationError):
            stripe.checked_destination(text)

    def test_is_left_alone_after_failing_again_and_again(self, stripe, server):
        # The SDK asks three times by itself.
        for _ in range(3 * MOST_FAILURES):
            server.fail_next(500)
        for _ in range(MOST_FAILURES):
            with pytest.raises(ProviderBusyError, match="failing"):
                stripe.refund(payment_reference="pi_1", purchase_id=uuid4(), amount_minor=1)
        asked = len(server.asked)
        with pytest.raises(ProviderRestsError, match="Stripe failed several times in a row"):
            stripe.refund(payment_reference="pi_1", purchase_id=uuid4(), amount_minor=1)
        assert len(server.asked) == asked


class TestStripesEvents:
    @pytest.mark.parametrize(
        ("kind", "about", "expected"),
        [
            ("checkout.session.completed", {"payment_status": "paid", "amount_total": 499}, EventKind.PAID),
            (
                "checkout.session.async_payment_succeeded",
                {"payment_status": "paid", "amount_total": 499},
                EventKind.PAID,
            ),
            ("checkout.session.async_payment_failed", {"amount_total": 499}, EventKind.FAILED),
            ("checkout.session.expired", {"amount_total": 499}, EventKind.EXPIRED),
            ("charge.refunded", {"amount_refunded": 499}, EventKind.REFUNDED),
            (
                "charge.dispute.created",
                {"amount": 499, "balance_transactions": [{"fee": 1500, "currency": "eur"}]},
                EventKind.DISPUTED,
            ),
            ("charge.dispute.closed", {"amount": 499, "status": "won"}, EventKind.DISPUTE_WON),
            ("charge.dispute.closed", {"amount": 499, "status": "lost"}, EventKind.DISPUTE_LOST),
        ],
    )
    def test_are_read(self, stripe, kind, about, expected):
        purchase_id = uuid4()
        common = {
            "id": "cs_1",
            "currency": "usd",
            "payment_intent": "pi_1",
            "metadata": {"purchase_id": str(purchase_id)},
        }
        event = stripe.event(*signed(kind, common | about), now=utc_now())
        assert (event.kind, event.amount_minor, event.currency) == (expected, 499, "USD")
        assert (event.purchase_id, event.payment_reference) == (purchase_id, "pi_1")
        fee = (1500, "EUR") if expected is EventKind.DISPUTED else (0, "")
        assert (event.fee_minor, event.fee_currency) == fee

    @pytest.mark.parametrize(
        ("kind", "about"),
        [
            ("checkout.session.completed", {"payment_status": "unpaid", "amount_total": 499}),
            ("charge.dispute.closed", {"amount": 499, "status": "under_review"}),
            ("customer.created", {"id": "cus_1"}),
        ],
    )
    def test_of_no_interest_are_none(self, stripe, kind, about):
        assert stripe.event(*signed(kind, about), now=utc_now()) is None

    def test_that_are_old_or_changed_are_refused(self, stripe):
        body, header = signed("charge.refunded", {"amount_refunded": 499})
        with pytest.raises(UnsignedEventError):
            stripe.event(body.replace(b"499", b"1"), header, now=utc_now())
        with pytest.raises(UnsignedEventError):
            stripe.event(*signed("charge.refunded", {"amount_refunded": 1}, at=1_700_000_000), now=utc_now())
