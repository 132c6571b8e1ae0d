"""Categories: made, named, arranged in a tree, closed, emptied and deleted."""

import runpy
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import SYSTEM, RoleName
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError, StaleError
from studio.market.catalogue import categories, category_tree, listing_drafts, listings, publishing, queries
from studio.market.catalogue.category_tree import Listings
from studio.market.catalogue.errors import (
    CategoryCircleError,
    CategoryDestinationError,
    CategoryInUseError,
    CategoryInvalidError,
    CategoryNameTakenError,
    CategoryParentError,
    CategoryTooDeepError,
    ContentChangedError,
    ListingInvalidError,
)
from studio.market.models import CarriedApproval, CharacterCategory, PublicationStatus
from studio.market.review import decisions
from studio.market.review.rules import AT_ONCE
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.market import make_category, make_claimed_case, make_listing, make_live_listing

MIGRATION = Path(__file__).parents[3] / "migrations/versions/2026_11_26_0503_carried_approvals.py"


def names_below(session, actor, parent):
    shelves = [one.category for one in queries.list_categories(session, actor=actor)]
    return [one.name for one in shelves if one.parent_id == parent.id]


@pytest.fixture
def top(session, staff):
    """A shelf with three others in it: A, B and C."""
    top = make_category(session, staff=staff, name="Top")
    for name in "ABC":
        make_category(session, staff=staff, name=name, parent_id=top.id)
    return top


@pytest.fixture
def by_name(session):
    return lambda name: session.scalars(sa.select(CharacterCategory).where(CharacterCategory.name == name)).one()


def place(session, staff, category, parent, before=None, **more):
    return category_tree.place(
        session, actor=staff, category_id=category.id, row_version=category.row_version,
        parent_id=parent.id if parent else None, before_id=before.id if before else None, **more,
    )  # fmt: skip


class TestCreate:
    def test_puts_it_behind_its_neighbours(self, session, staff, top):
        assert names_below(session, staff, top) == ["A", "B", "C"]

    def test_refuses_a_taken_name(self, session, staff, top):
        with pytest.raises(CategoryNameTakenError):
            make_category(session, staff=staff, name="Top")

    def test_names_wrong_fields(self, session, staff):
        with pytest.raises(CategoryInvalidError) as caught:
            make_category(session, staff=staff, name=" ", description="x" * 2001, icon="<b>")
        assert set(caught.value.fields) == {"name", "description", "icon"}

    def test_is_for_staff(self, session, creator):
        with pytest.raises(ForbiddenError):
            make_category(session, staff=creator)

    def test_stops_at_five_levels(self, session, staff):
        parent = None
        for _level in range(category_tree.MOST_DEPTH):
            parent = make_category(session, staff=staff, parent_id=parent.id if parent else None)
        with pytest.raises(CategoryTooDeepError):
            make_category(session, staff=staff, parent_id=parent.id)


class TestUpdate:
    def test_refuses_a_stale_save(self, session, staff, top, now):
        with pytest.raises(StaleError):
            categories.update(
                session, actor=staff, now=now, category_id=top.id, row_version=top.row_version + 1,
                draft=categories.CategoryDraft(name="New name"),
            )  # fmt: skip


class TestPlace:
    def test_stands_before_the_one_that_is_named(self, session, staff, top, by_name):
        place(session, staff, by_name("C"), top, by_name("A"))
        assert names_below(session, staff, top) == ["C", "A", "B"]

    def test_comes_last_where_none_is_named(self, session, staff, top, by_name):
        place(session, staff, by_name("A"), top)
        assert names_below(session, staff, top) == ["B", "C", "A"]

    def test_takes_its_own_along(self, session, staff, top, by_name):
        place(session, staff, by_name("B"), by_name("A"))
        place(session, staff, by_name("A"), None)
        assert names_below(session, staff, by_name("A")) == ["B"]
        assert by_name("A").parent_id is None

    def test_refuses_a_circle_with_a_sentence(self, session, staff, top, by_name):
        with pytest.raises(CategoryCircleError) as caught:
            place(session, staff, top, by_name("A"))
        assert "parent_id" in caught.value.fields

    def test_postgresql_refuses_a_circle_too(self, session, top, by_name):
        with pytest.raises(sa.exc.IntegrityError, match="below itself"):
            session.execute(
                sa.text("UPDATE character_categories SET parent_id = :a WHERE id = :b"),
                {"a": by_name("A").id, "b": top.id},
            )

    def test_refuses_what_somebody_changed_meanwhile(self, session, staff, top, by_name):
        with pytest.raises(StaleError):
            category_tree.place(session, actor=staff, category_id=by_name("A").id, row_version=99, parent_id=None)

    def test_does_not_know_a_parent_that_is_gone(self, session, staff, top, by_name):
        with pytest.raises(NotFoundError):
            category_tree.place(
                session, actor=staff, category_id=top.id, row_version=top.row_version, parent_id=SYSTEM.user_id or
                by_name("A").id.__class__(int=7),
            )  # fmt: skip

    def test_asks_where_the_listings_go(self, session, staff, creator, top, by_name, now):
        listing = make_listing(session, owner=creator, now=now, category_id=by_name("A").id)
        with pytest.raises(CategoryInUseError) as caught:
            place(session, staff, by_name("A"), None)
        assert "1 listings stand" in str(caught.value)
        place(session, staff, by_name("A"), None, listings_go=Listings())
        assert listing.category_id == by_name("A").id

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["up", "down", "in", "out"])), max_size=12))
    def test_any_steps_lose_no_shelf_and_close_no_circle(self, session, staff, top, by_name, steps):
        for name, way in steps:
            one = by_name(name)
            category_tree.step(session, actor=staff, category_id=one.id, row_version=one.row_version, way=way)
        shown = {one.category.name for one in queries.list_categories(session, actor=staff)}
        assert {"Top", "A", "B", "C"} <= shown


class TestStep:
    @pytest.mark.parametrize(
        ("name", "way", "order"),
        [("B", "up", ["B", "A", "C"]), ("B", "down", ["A", "C", "B"]), ("A", "up", ["A", "B", "C"]),
         ("C", "down", ["A", "B", "C"]), ("B", "in", ["A", "C"]), ("A", "in", ["A", "B", "C"])],
    )  # fmt: skip
    def test_goes_one_step(self, session, staff, top, by_name, name, way, order):
        one = by_name(name)
        category_tree.step(session, actor=staff, category_id=one.id, row_version=one.row_version, way=way)
        assert names_below(session, staff, top) == order

    def test_out_stands_behind_its_parent(self, session, staff, top, by_name):
        other = make_category(session, staff=staff, name="Behind")
        one = by_name("B")
        category_tree.step(session, actor=staff, category_id=one.id, row_version=one.row_version, way="out")
        tops = [s.category.name for s in queries.list_categories(session, actor=staff) if s.depth == 0]
        assert tops[tops.index("Top") :] == ["Top", "B", other.name]


class TestClose:
    def test_hides_what_stands_in_it(self, session, staff, creator, top):
        category_tree.close(session, actor=staff, category_id=top.id, row_version=top.row_version)
        names = {s.category.name for s in queries.list_categories(session, actor=creator, only_active=True)}
        assert not names & {"Top", "A", "B", "C"}

    def test_may_be_repeated_and_undone(self, session, staff, top):
        for _time in range(2):
            category_tree.close(session, actor=staff, category_id=top.id, row_version=top.row_version)
        category_tree.reopen(session, actor=staff, category_id=top.id, row_version=top.row_version)
        assert top.is_active

    def test_sends_listings_elsewhere_by_a_job(self, session, staff, creator, moderator, top, by_name, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now, category_id=by_name("A").id)
        category_tree.close(
            session, actor=staff, category_id=by_name("A").id, row_version=by_name("A").row_version,
            listings_go=Listings(by_name("B").id),
        )  # fmt: skip
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "market.move_listings")).one()
        assert job.arguments == {"from_id": str(by_name("A").id), "to_id": str(by_name("B").id), "then_delete": False}
        moved = category_tree.move_listings(session, from_id=by_name("A").id, to_id=by_name("B").id, actor=SYSTEM)
        assert moved == 1
        assert live.category_id == by_name("B").id
        assert live.content_hash == publishing.current_hash(session, live)
        assert category_tree.move_listings(session, from_id=by_name("A").id, to_id=by_name("B").id, actor=SYSTEM) == 0

    def test_carries_the_approval_of_what_is_live_over_and_says_whose_decision_that_was(
        self, session, staff, creator, moderator, top, by_name, now
    ):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now, category_id=by_name("A").id)
        seen = live.content_hash
        category_tree.move_listings(session, from_id=by_name("A").id, to_id=by_name("B").id, actor=staff)
        [carried] = session.scalars(sa.select(CarriedApproval))
        assert (carried.from_hash, carried.to_hash, carried.by_id) == (seen, live.content_hash, staff.user_id)
        category_tree.move_listings(session, from_id=by_name("B").id, to_id=by_name("C").id, actor=staff)
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "listing.move_category")).first()
        assert (entry.actor_id, entry.before["content_hash"], entry.after["is_approval_carried"]) == (
            staff.user_id,
            seen,
            True,
        )
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        listings.relist(session, actor=creator, publication_id=live.id, now=now)
        assert live.status is PublicationStatus.APPROVED
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))

    def test_carries_no_approval_that_there_was_not(self, session, staff, creator, now, top, by_name):
        make_listing(session, owner=creator, now=now, category_id=by_name("A").id)
        category_tree.move_listings(session, from_id=by_name("A").id, to_id=by_name("B").id, actor=staff)
        assert session.scalars(sa.select(CarriedApproval)).all() == []

    def test_made_before_approvals_were_carried_loses_none_by_the_migration(
        self, session, staff, creator, moderator, top, by_name, now
    ):
        live, untouched = (
            make_live_listing(session, owner=creator, moderator=moderator, now=now, category_id=by_name(name).id)
            for name in ("A", "C")
        )
        waiting = make_listing(session, owner=creator, now=now, category_id=by_name("A").id)
        seen = live.content_hash
        category_tree.move_listings(session, from_id=by_name("A").id, to_id=by_name("B").id, actor=staff)
        session.execute(sa.delete(CarriedApproval))
        upgrade = runpy.run_path(str(MIGRATION))["upgrade"]
        with patch.dict(upgrade.__globals__, op=Mock(**{"f.side_effect": str})) as written:
            upgrade()
            op = written["op"]
        [fill] = [call.args[0] for call in op.execute.call_args_list if call.args[0].startswith("INSERT")]
        session.execute(sa.text(fill))
        [carried] = session.scalars(sa.select(CarriedApproval))
        assert (carried.publication_id, carried.from_hash, carried.to_hash) == (live.id, seen, live.content_hash)
        assert {untouched.status, waiting.status} == {PublicationStatus.APPROVED, PublicationStatus.PENDING}
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        listings.relist(session, actor=creator, publication_id=live.id, now=now)
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))

    @pytest.mark.parametrize(
        "sentences",
        [
            ["UPDATE character_publications SET content_hash = 'another' WHERE id = :id"],
            [
                "UPDATE character_publications SET status = 'unlisted' WHERE id = :id",
                "UPDATE character_publications SET content_hash = 'another' WHERE id = :id",
                "UPDATE character_publications SET status = 'approved' WHERE id = :id",
            ],
            ["INSERT INTO carried_approvals VALUES (:id, 'never', 'another', NULL, now(), gen_random_uuid())"],
        ],
    )
    def test_postgresql_refuses_to_have_live_what_nobody_approved(self, session, creator, moderator, now, sentences):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        with pytest.raises(IntegrityError, match="nobody approved"), session.begin_nested():
            for one in sentences:
                session.execute(sa.text(one), {"id": live.id})
            session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))

    def test_what_has_no_approval_is_not_listed_again(self, session, staff, creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        other = make_category(session, staff=staff)
        live.category_id = other.id
        live.content_hash = publishing.current_hash(session, live)
        session.flush()
        with pytest.raises(ContentChangedError):
            listings.relist(session, actor=creator, publication_id=live.id, now=now)

    def test_what_a_moderator_reads_meanwhile_is_no_longer_what_they_saw(
        self, session, staff, creator, moderator, top, by_name, now
    ):
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now, category_id=by_name("A").id)
        listing = session.get_one(listings.CharacterPublication, case.publication_id)
        seen = listing.content_hash
        category_tree.move_listings(session, from_id=by_name("A").id, to_id=by_name("B").id, actor=SYSTEM)
        with pytest.raises(ContentChangedError):
            decisions.approve(session, actor=moderator, case_id=case.id, content_hash=seen, now=now, hold=AT_ONCE)

    def test_refuses_a_closed_destination(self, session, staff, creator, top, by_name, now):
        make_listing(session, owner=creator, now=now, category_id=by_name("A").id)
        closed = make_category(session, staff=staff, is_active=False)
        with pytest.raises(CategoryDestinationError):
            category_tree.close(
                session, actor=staff, category_id=by_name("A").id, row_version=by_name("A").row_version,
                listings_go=Listings(closed.id),
            )  # fmt: skip

    def test_what_stands_in_a_closed_one_takes_nothing_either(self, session, staff, creator, top, by_name, now):
        make_listing(session, owner=creator, now=now, category_id=by_name("B").id)
        inside = make_category(session, staff=staff, parent_id=by_name("A").id)
        category_tree.close(session, actor=staff, category_id=by_name("A").id, row_version=by_name("A").row_version)
        # The page on which it was chosen is still open somewhere.
        with pytest.raises(ListingInvalidError) as caught:
            make_listing(session, owner=creator, now=now, category_id=inside.id)
        assert caught.value.fields == {"category_id": "Choose an open category."}
        draft = listing_drafts.begin(session, actor=creator, words=listing_drafts.Words(category_id=inside.id), now=now)
        [unfinished] = listing_drafts.unfinished(session, [draft])
        assert "category_id" in dict(unfinished.missing)
        with pytest.raises(CategoryDestinationError):
            category_tree.close(
                session, actor=staff, category_id=by_name("B").id, row_version=by_name("B").row_version,
                listings_go=Listings(inside.id),
            )  # fmt: skip

    def test_takes_no_listing_that_is_submitted_at_the_same_moment(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            staff, owner = make_actor(session, RoleName.STAFF), make_actor(session, RoleName.CREATOR)
            shelf = make_category(session, staff=staff)
            shelf_id, row_version = shelf.id, shelf.row_version
        with session_scope(committed_database.engine) as first:
            make_listing(first, owner=owner, now=now, category_id=shelf_id)
            with session_scope(committed_database.engine) as second:
                second.execute(sa.text("SET LOCAL lock_timeout = '200ms'"))
                # It waits for the listing, and then has to say where that goes.
                with pytest.raises(sa.exc.OperationalError, match="lock timeout"), second.begin_nested():
                    category_tree.close(second, actor=staff, category_id=shelf_id, row_version=row_version)
        with session_scope(committed_database.engine) as session, pytest.raises(CategoryInUseError):
            category_tree.close(session, actor=staff, category_id=shelf_id, row_version=row_version)

    def test_whoever_then_has_it_deleted_is_heard(self, session, staff, creator, top, by_name, now):
        make_listing(session, owner=creator, now=now, category_id=by_name("A").id)
        for act, to in ((category_tree.close, "B"), (category_tree.delete, "C")):
            session.refresh(by_name("A"))
            act(
                session, actor=staff, category_id=by_name("A").id, row_version=by_name("A").row_version,
                listings_go=Listings(by_name(to).id),
            )  # fmt: skip
        asked = session.scalars(
            sa.select(JobRun).where(JobRun.name == "market.move_listings").order_by(JobRun.id)
        ).all()
        assert [job.arguments["then_delete"] for job in asked] == [False, True]


class TestDelete:
    def test_takes_an_empty_one_away(self, session, staff, top, by_name):
        one = by_name("A")
        assert category_tree.delete(session, actor=staff, category_id=one.id, row_version=one.row_version)
        assert names_below(session, staff, top) == ["B", "C"]

    def test_names_those_that_stand_in_it(self, session, staff, top):
        with pytest.raises(CategoryParentError, match="A, B, C"):
            category_tree.delete(session, actor=staff, category_id=top.id, row_version=top.row_version)

    def test_goes_once_its_listings_are_elsewhere(self, session, staff, creator, top, by_name, now):
        make_listing(session, owner=creator, now=now, category_id=by_name("A").id)
        one = by_name("A")
        with pytest.raises(CategoryInUseError):
            category_tree.delete(
                session, actor=staff, category_id=one.id, row_version=one.row_version, listings_go=Listings()
            )
        gone = category_tree.delete(
            session, actor=staff, category_id=one.id, row_version=one.row_version,
            listings_go=Listings(by_name("B").id),
        )  # fmt: skip
        assert not gone
        assert not category_tree.delete_emptied(session, category_id=one.id, actor=SYSTEM)
        category_tree.move_listings(session, from_id=one.id, to_id=by_name("B").id, actor=SYSTEM)
        assert category_tree.delete_emptied(session, category_id=one.id, actor=SYSTEM)
        assert names_below(session, staff, top) == ["B", "C"]
