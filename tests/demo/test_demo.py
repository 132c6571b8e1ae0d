"""The demo is made by the services that people use, holds something for everybody, and is made once."""

import json
from datetime import UTC, datetime
from io import BytesIO
from itertools import combinations

import pytest
import sqlalchemy as sa
from PIL import Image

from studio import demo
from studio.accounts.permissions import RoleName
from studio.authoring.models import Character, CharacterScene, FallbackReply, LorebookEntry
from studio.demo import portraits
from studio.market.models import (
    Appeal,
    AppealState,
    CaseState,
    CharacterPublication,
    CreatorEarnings,
    ListingReport,
    PublicationStatus,
    Purchase,
    PurchaseStatus,
    ReviewCase,
)
from studio.market.money import dues, invariants
from studio.market.money.policy import Policy
from studio.market.screening.checks.picture import HINT
from studio.media.pixels import difference_hash
from studio.providers import storage
from studio.work.models import JobRun
from tests.factories.accounts import make_actor

FIRST_OF_A_MONTH = (datetime(2026, 3, 1, 0, 20, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC))


def count(session, model, *criteria):
    return session.scalar(sa.select(sa.func.count()).select_from(model).where(*criteria))


class TestLoad:
    def test_holds_something_for_everybody_and_is_made_once(self, session, settings, now):
        steps = []
        kept = storage.from_settings(settings)
        assert demo.load(session, storage=kept, now=now, on_progress=lambda done, of: steps.append((done, of)))
        assert steps[-1] == (len(demo.LISTINGS), len(demo.LISTINGS))
        statuses = session.scalars(sa.select(CharacterPublication.status)).all()
        assert {
            PublicationStatus.APPROVED,
            PublicationStatus.PENDING,
            PublicationStatus.CHANGES_REQUESTED,
            PublicationStatus.REJECTED,
        } <= set(statuses)
        # One was approved, and then reported by two people: it is looked at again.
        assert count(session, ReviewCase) == len(statuses) + 1
        everybody = session.scalars(sa.select(Character)).all()
        assert all(character.portrait_id for character in everybody)
        characters = [one for one in everybody if one.owner_id is not None]
        assert len(characters) == len(demo.LISTINGS)
        assert sorted(one.code for one in everybody if one.code) == ["B001C001", "B001C002"]
        replies = sa.select(sa.func.count()).select_from(FallbackReply)
        assert session.scalar(replies) == 3 * len(characters)
        entries = sa.select(sa.func.count()).select_from(LorebookEntry).group_by(LorebookEntry.lorebook_id)
        assert min(session.scalars(entries)) >= 20
        assert session.scalar(sa.select(sa.func.count(CharacterScene.character_id.distinct()))) == 3
        assert not demo.load(session, storage=kept, now=now)
        assert session.scalar(replies) == 3 * len(characters)

    def test_has_traded_for_two_months_and_has_something_to_answer_and_to_pay(self, session, settings, now):
        kept = storage.from_settings(settings)
        demo.load(session, storage=kept, now=now)
        sold = session.scalars(sa.select(Purchase)).all()
        assert {purchase.status for purchase in sold} == {PurchaseStatus.PAID}
        assert len(sold) == len({(purchase.buyer_id, purchase.character_id) for purchase in sold}) == 6
        statements = session.scalars(sa.select(CreatorEarnings).order_by(CreatorEarnings.net_minor)).all()
        assert [(one.gross_minor, one.fee_minor, one.net_minor) for one in statements] == [
            (299, 44, 255),
            (2_598, 388, 2_210),
        ]
        assert session.scalars(sa.select(Appeal.state)).all() == [AppealState.OPEN]
        assert session.scalars(sa.select(ListingReport.reporter_count)).all() == [2]
        assert invariants.check(session, now=now).finding_count == 0
        # A check that ran while this was being made saw no money; another one looks when it is there.
        assert count(session, JobRun, JobRun.name == "money.check_money") == 1
        # What waits at the desk: three that are new, and what two people reported.
        assert count(session, ReviewCase, ReviewCase.state.in_((CaseState.SCREENING, CaseState.WAITING))) == 4
        due = dues.list_due(session, actor=make_actor(session, RoleName.STAFF), provider="local", policy=Policy())
        assert [one.available_minor for one in due] == [2_465]

    @pytest.mark.parametrize("moment", FIRST_OF_A_MONTH)
    def test_can_be_made_on_the_first_day_of_a_month(self, session, settings, moment):
        assert demo.load(session, storage=storage.from_settings(settings), now=moment)
        assert count(session, Purchase, Purchase.status == PurchaseStatus.PAID) == 6


class TestPortraits:
    def test_are_told_apart_by_the_desk(self):
        names = [json.loads(card.read_text(encoding="utf-8"))["data"]["name"] for card in demo._CARDS.glob("*.json")]
        seen = {name: difference_hash(Image.open(BytesIO(portraits.draw(name)))) for name in names}
        bits = 2**64 - 1
        alike = [pair for pair in combinations(seen, 2) if ((seen[pair[0]] ^ seen[pair[1]]) & bits).bit_count() <= HINT]
        assert (len(names) > 5, alike) == (True, [])
