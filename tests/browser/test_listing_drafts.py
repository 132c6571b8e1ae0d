"""A listing is begun, left, found again in another window, and submitted when it is whole."""

import re

from playwright.sync_api import expect

from studio.accounts.models import User
from tests.factories.authoring import make_character

STORY = "She keeps the light, and a list of every ship that did not come. " * 12


def test_a_listing_is_begun_left_found_again_and_submitted(visit, stage, creator, shot):
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        make_character(session, owner=owner, name="The keeper", description="Keeps the light. " * 20)
    first = visit(creator)
    first.foresee(422)
    page = first.go("/listings/new")
    page.get_by_label("Title").fill("The keeper of the lamp 守灯人")
    page.get_by_label("Description").fill(STORY)
    page.get_by_role("button", name="Submit for review").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value(STORY)
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_text("Kept as a draft.")).to_be_visible()
    expect(page.get_by_text("Still needed: Character, Category")).to_be_visible()
    shot(page, "draft-1-kept")
    # Back leads to the form, and the browser does not ask to send again what was refused.
    page.go_back()
    expect(page).to_have_url(re.compile("/listings/new$"))
    expect(page.get_by_role("heading", name="Submit a listing")).to_be_visible()
    page.close()

    later = visit(creator)
    # A character made by hand has no portrait in the store.
    later.foresee(404, 422)
    page = later.go("/listings/")
    page.get_by_role("link", name="The keeper of the lamp").click()
    expect(page.get_by_label("Description")).to_have_value(STORY)
    page.get_by_role("button", name="Submit for review").click()
    # All that is missing is said at once, each with the way to its field; nothing that was typed is lost.
    refusal = page.get_by_role("alert")
    expect(refusal.get_by_role("link", name="Character")).to_be_visible()
    refusal.get_by_role("link", name="Category").click()
    shot(page, "draft-2-refused")
    page.get_by_label("Category").select_option(index=1)
    page.get_by_label("Character", exact=True).select_option(label="The keeper")
    expect(page.get_by_label("Description")).to_have_value(STORY)
    page.get_by_role("button", name="Submit for review").click()
    expect(page.get_by_text("Submitted for review.")).to_be_visible()
    expect(page.get_by_role("heading", name="The keeper of the lamp")).to_be_visible()
    shot(page, "draft-3-submitted")
    later.go("/listings/")
    expect(page.get_by_role("heading", name="Drafts")).to_have_count(0)
    assert stage.count("character_publications", publisher_id=creator.id) == 1
