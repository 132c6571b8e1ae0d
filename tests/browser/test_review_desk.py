"""A moderator's hour at the desk: why to look, what is alike, keys, the next case ready, and figures at the end."""

import pytest
from playwright.sync_api import expect

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.catalogue import listings
from studio.market.models import CharacterPublication, PublicationStatus
from studio.market.screening import screening
from studio.providers import storage
from tests.factories.accounts import make_actor
from tests.factories.market import case_of, make_card, make_listing

STORY = (
    "He keeps the last lighthouse on the northern shore, writes letters to ships that never answer, and hums while he "
    "works. When somebody comes up the stairs he pretends not to have waited. On Sundays he polishes the great lens. "
)
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def cases(stage):
    """Three cases that are due before all others: a story, its copy by somebody else with a script in it, and one more."""
    with stage.session() as session:
        kept = storage.from_settings(stage.settings)
        long_ago = utc_now().replace(year=2019)
        people = [make_actor(session, RoleName.CREATOR) for _ in range(3)]
        texts = [STORY, STORY.replace("hums", "sings") + "<script>alert(1)</script>", "She repairs clocks in the rain."]
        names = ["Elias", "Bram", "Mira"]
        made = []
        for owner, name, text in zip(people, names, texts, strict=True):
            character = make_card(session, owner=owner, now=long_ago, name=name, description=text)
            publication = make_listing(
                session, owner=owner, now=long_ago, character=character, title=f"{name} of the desk's story"
            )
            case = case_of(session, publication)
            screening.run(session, case_id=case.id, storage=kept, now=long_ago)
            made.append((owner, publication.id, str(case.id)))
    yield [case_id for _owner, _publication, case_id in made]
    with stage.session() as session:
        for owner, publication_id, _case_id in made:
            if session.get_one(CharacterPublication, publication_id).status is PublicationStatus.PENDING:
                listings.withdraw(session, actor=owner, publication_id=publication_id, now=utc_now())


def sees_why_to_look(page, shot):
    """The queue says why, and its keys are told."""
    rows = page.locator(".queue-row")
    expect(rows.first.locator(".queue-title")).to_have_text("Elias of the desk's story")
    risky = rows.nth(1)
    expect(risky).to_contain_text("held by screening")
    expect(risky).to_contain_text("overdue · due")
    risky.locator(".risk summary").click()
    expect(risky.get_by_text("Other people's characters that this is the same as, or nearly the same.")).to_be_visible()
    shot(page, "desk-queue")
    # The keys of the desk stand in the dialog of all keys.
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("Next marked passage")).to_be_visible()
    page.keyboard.press("Escape")


class TestDesk:
    def test_leads_from_case_to_case(self, visit, stage, cases, moderator, shot):
        first, second, third = cases
        visitor = visit(moderator)
        page = visitor.go("/review/")
        sees_why_to_look(page, shot)
        # The next case is claimed by a key; while it is read, the one after it is made ready and claimed by nobody.
        with page.expect_response(f"**/review/{second}/ahead") as ahead:
            page.keyboard.press("n")
        assert ahead.value.status == 200
        page.wait_for_url(f"**/review/{first}")
        assert stage.count("review_cases", id=second, state="waiting") == 1
        expect(page.get_by_text("You hold this review")).to_be_visible()
        # The one after it comes by itself for who wants that, from then on.
        page.get_by_label("Then take the next one").first.check()
        page.keyboard.press("a")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/review/{second}")
        expect(page.locator(".messages").get_by_role("button", name="Undo")).to_be_visible()
        # Evidence stands where it is, and what is alike is seen side by side.
        page.locator("h1").click()
        page.keyboard.press("e")
        expect(page.locator("mark.hit:focus")).to_be_visible()
        page.locator(".looks .risk summary").click()
        expect(page.get_by_role("rowheader", name="Like somebody else's")).to_be_visible()
        shot(page, "desk-case")
        page.get_by_role("link", name="Elias").first.click()
        expect(page.locator("mark.alike").first).to_be_visible()
        shot(page, "desk-compare")
        page.go_back()
        page.locator("h1").click()
        page.keyboard.press("r")
        page.get_by_label("Reason", exact=True).first.select_option("duplicate")
        page.get_by_role("button", name="Send back with these reasons").click()
        page.wait_for_url(f"**/review/{third}")
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shot(page, "desk-case-phone")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.get_by_role("button", name="Give back").click()
        expect(page.get_by_text("Nobody works on this review")).to_be_visible()
        # What was decided stands in the figures, as a chart and in a table.
        visitor.go("/review-figures/")
        expect(page.locator("canvas").first).to_be_visible()
        expect(page.get_by_role("row", name="From submission to decision")).to_be_visible()
        shot(page, "desk-figures")
