"""After the payment provider was changed: what the former one tells is taken while its settings are there, and never lost unseen."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.models import AccountKind, LedgerTransaction, PaymentEvent, PurchaseStatus
from studio.market.money import ledger, purchases, unheard
from studio.market.money.bookkeeping import Account
from studio.providers.payments import EventKind, LocalPayments
from tests.admin_views.money.conftest import text
from tests.factories.accounts import make_actor
from tests.factories.money import POLICY, begin, make_offer
from tests.fakes.stripe_server import WEBHOOK_SECRET, signed

STRIPE = {"payments_key": SecretStr("sk_test_x"), "payments_webhook_secret": SecretStr(WEBHOOK_SECRET)}


@pytest.fixture
def sold(session, creator):
    """A sale of Stripe's, before the studio took the test provider again."""
    offer = make_offer(session, owner=creator.actor, now=utc_now())
    purchase = begin(
        session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=utc_now(), provider="stripe"
    )
    purchase.payment_reference = f"pi_{uuid4().hex}"
    purchases.complete(session, purchase, policy=POLICY, now=utc_now())
    session.flush()
    return purchase


def refund_of(purchase, **values):
    about = {"payment_intent": purchase.payment_reference, "currency": "usd", "amount_refunded": 500}
    return signed("charge.refunded", about, id_=f"evt_{uuid4().hex}", **values)


def told(app, where, body, signature):
    answer = app.test_client().post(f"/payments/{where}/events", data=body, headers={"Stripe-Signature": signature})
    return answer.status_code, (answer.get_json(silent=True) or {}).get("outcome")


class TestWithItsSettings:
    def test_is_believed_under_its_own_signature_alone(self, settings, make_app, session, sold):
        app = make_app(settings.model_copy(update=STRIPE))
        body, signature = refund_of(sold)
        assert told(app, "stripe", body, signature.replace("v1=", "v1=0"))[0] == 400
        assert told(app, "stripe", body.replace(b"500", b"400"), signature)[0] == 400
        # Nor does the present provider take its words, or those of the present one count for its sales.
        assert told(app, "local", body, signature)[0] == 400
        own, mark = app.extensions["studio"].payments.tell(
            EventKind.REFUNDED, purchase_id=sold.id, amount_minor=500, currency="USD", now=utc_now()
        )
        assert told(app, "local", own, mark) == (200, "waiting")
        session.expire_all()
        assert sold.status is PurchaseStatus.PAID
        assert told(app, "stripe", body, signature) == (200, "applied")
        session.expire_all()
        assert sold.status is PurchaseStatus.REFUNDED
        assert ledger.balance(session, Account(AccountKind.PROVIDER, "USD"), provider="stripe") == 0

    def test_the_test_provider_sells_nothing_where_real_money_is_taken(self, settings, make_app, session, creator):
        app = make_app(settings.model_copy(update={**STRIPE, "payments_provider": "stripe"}))
        offer = make_offer(session, owner=creator.actor, now=utc_now())
        waiting = begin(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=utc_now())
        session.flush()
        test = app.extensions["studio"].payments_through("local")
        assert isinstance(test, LocalPayments)
        given = {"purchase_id": waiting.id, "amount_minor": 500, "currency": "USD"}
        assert told(app, "local", *test.tell(EventKind.PAID, now=utc_now(), **given))[0] == 400
        session.expire_all()
        assert waiting.status is PurchaseStatus.PENDING


class TestWithoutItsSettings:
    def test_is_asked_to_tell_it_again_and_staff_read_it_once_a_day(self, app, session, client_of, post, staff, sold):
        assert told(app, "stripe", *refund_of(sold)) == (503, None)
        assert told(app, "stripe", b"anybody", "")[0] == 503
        row = session.scalars(sa.select(PaymentEvent)).one()
        client = client_of(staff)
        page = text(client.get("/money/"))
        assert "A former payment provider tells something about its sales" in page
        assert "Stripe ·" in page
        post(client, f"/money/questions/stripe/{row.event_id}/settle")
        assert told(app, "stripe", *refund_of(sold))[0] == 503
        assert "A former payment provider" not in text(client.get("/money/"))
        assert unheard.note(session, provider="stripe", now=utc_now() + timedelta(days=2))
        session.flush()
        assert "A former payment provider" in text(client.get("/money/"))
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) == 1
