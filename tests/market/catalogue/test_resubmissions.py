"""What was sent back for a severe reason is changed or appealed against, not submitted again as it was."""

import pytest

from studio.authoring import characters
from studio.authoring.models import Character
from studio.market.catalogue import listings
from studio.market.catalogue.errors import SevereUnchangedError
from studio.market.models import CharacterPublication, PublicationStatus
from studio.market.review import appeals, decisions
from studio.market.review import queries as review_queries
from studio.market.review.rules import AT_ONCE, Reason
from tests.factories.market import make_card, make_claimed_case, make_listing, make_sent_back

S = PublicationStatus


def severe_reason(session):
    return next(reason.code for reason in review_queries.list_reasons(session) if reason.is_severe)


class TestSevereReasons:
    def refused(self, session, creator, moderator, now, *, field, **values):
        """A listing that was rejected for a severe reason about this field."""
        character = make_card(session, owner=creator, now=now)
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now, character=character, **values)
        publication = session.get_one(CharacterPublication, case.publication_id)
        decisions.reject(
            session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now,
            reasons=[Reason(severe_reason(session), field)], hold=AT_ONCE,
        )  # fmt: skip
        return character, publication

    def again(self, session, creator, now, character, **values):
        return make_listing(session, owner=creator, now=now, character=character, **values)

    def test_keep_the_same_card_from_being_submitted_again(self, session, creator, moderator, now):
        character, _publication = self.refused(session, creator, moderator, now, field="description")
        for title in ("The keeper of the light", "Under another title"):
            with pytest.raises(SevereUnchangedError):
                self.again(session, creator, now, character, title=title)
        characters.update(
            session, actor=creator, character_id=character.id, row_version=character.row_version,
            changes={"description": "Another man altogether, who sells tea by the harbour and knows every captain."},
            now=now,
        )  # fmt: skip
        assert self.again(session, creator, now, character).status is S.PENDING

    def test_let_a_changed_listing_pass_where_they_are_about_that_alone(self, session, creator, moderator, now):
        character, _publication = self.refused(session, creator, moderator, now, field="listing.title")
        with pytest.raises(SevereUnchangedError):
            self.again(session, creator, now, character)
        assert self.again(session, creator, now, character, title="Under another title").status is S.PENDING

    @pytest.mark.parametrize("changes", [{"title": "Under another title"}, {}])
    def test_about_the_whole_want_any_change(self, session, creator, moderator, now, changes):
        character, _publication = self.refused(session, creator, moderator, now, field="")
        if changes:
            assert self.again(session, creator, now, character, **changes).status is S.PENDING
            return
        with pytest.raises(SevereUnchangedError):
            self.again(session, creator, now, character)

    def test_stand_in_nobodys_way_once_they_are_overturned(self, session, creator, moderator, other_moderator, now):
        character, publication = self.refused(session, creator, moderator, now, field="description")
        appeal = appeals.appeal(session, actor=creator, publication_id=publication.id, text="He is forty.", now=now)
        appeals.answer(
            session, actor=other_moderator, appeal_id=appeal.id, upholds=True, text="You are right.", now=now
        )
        listings.withdraw(session, actor=creator, publication_id=publication.id, now=now)
        assert self.again(session, creator, now, character).status is S.PENDING

    def test_of_an_ordinary_rejection_ask_for_nothing(self, session, creator, moderator, now):
        publication = make_sent_back(session, owner=creator, moderator=moderator, now=now, decide=decisions.reject)
        character = session.get_one(Character, publication.character_id)
        assert self.again(session, creator, now, character).status is S.PENDING
