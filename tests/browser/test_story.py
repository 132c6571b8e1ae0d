"""The main job, played by people in browsers: from a card file to a listing that is live, found, bought, and paid out once."""

import re
from uuid import UUID

import pytest
from playwright.sync_api import expect

from studio import demo
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.models import CharacterPublication
from studio.market.review import effects
from studio.market.review import rules as review_rules
from tests.browser import test_money as money

JOBS = 60_000
"""Milliseconds that jobs may take here: the first one loads the embedding model."""


@pytest.fixture
def card(samples_or_none) -> tuple[str, bytes]:
    """A card that people really use; where the samples are not, one of the demo's."""
    if samples_or_none is not None:
        place = samples_or_none / "cards" / "SillyTavern__SillyTavern-Content" / "default_FluxTheCat.png"
        if place.is_file():
            return place.name, place.read_bytes()
    return demo.card_file("mo-bai", now=utc_now())


class TestTheMainJob:
    def test_brings_a_card_to_a_listing_that_is_sent_back_mended_approved_bought_and_paid_once(
        self, visit, stage, card, shot
    ):
        creator = stage.person(RoleName.CREATOR, name="Wren Castellan")
        writer = visit(creator)
        reader = visit(stage.person(RoleName.MODERATOR, name="Ada Moreau"))
        title = f"Keeper of the lighthouse {creator.id[-4:]}"

        read_the_report(writer, card, shot)
        assert stage.count("characters", owner_id=creator.id) == 0
        name, draft = confirm(writer, shot)
        edit(writer, draft, shot)
        listing = submit(writer, title, shot)
        send_back(reader, title, name, shot)
        undo(reader, title, shot)
        mend(writer, stage, listing, shot)
        listing = submit_anew(writer, listing, title)
        approve(reader, title)
        writer.go(listing)
        # It takes effect after ten seconds, and the page says so by itself.
        expect(writer.page.get_by_text("Went live")).to_be_visible(timeout=JOBS)
        shot(writer.page, "story-11-live")
        writer.go(draft)
        expect(writer.page.locator(".mark-published")).to_be_visible()
        find(visit(stage.person(RoleName.CREATOR)), name, shot)
        see_the_jobs(visit(stage.person(RoleName.STAFF)), shot)

        with stage.session() as session:
            offer = session.get_one(CharacterPublication, UUID(listing.rpartition("/")[2]))
        # Nobody can wait for the end of a month here: the first buyer came last month, the second one is watched.
        money.sell_last_month(stage, offer)
        buyer = visit(stage.person(RoleName.CREATOR, name="Juno Okafor"))
        money.buy(buyer, offer, shot)
        money.download(buyer, shot)
        money.see_what_is_pending(writer, shot)
        money.close_last_month(stage)
        money.read_the_statement(writer, stage, creator, shot)
        money.pay_once(visit(stage.person(RoleName.STAFF)), stage, creator, shot)
        writer.go("/payouts/")
        expect(writer.page.get_by_text("paid").first).to_be_visible()


def read_the_report(writer, card, shot):
    """She drops a card, and reads what was found in it."""
    page = writer.go("/")
    page.get_by_role("link", name="Import a card").first.click()
    writer.drop("label[data-drop]", [card])
    expect(page.locator("[data-drop-name]")).to_contain_text(card[0])
    shot(page, "story-1-drop")
    writer.press("Read the card")
    expect(page.get_by_text("This is a dry run")).to_be_visible()
    for heading in ("Fields found", "Repaired", "Unknown keys, kept"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    shot(page, "story-2-report")


def confirm(writer, shot):
    """The draft has its portrait, and its jobs end while she looks; returns its name and address."""
    page = writer.page
    name = page.locator("h1").inner_text()
    writer.press("Make the character")
    expect(page).to_have_title(f"{name} · Greenroom")
    portrait = page.get_by_role("img", name=f"Portrait of {name}")
    expect(portrait).to_be_visible()
    assert portrait.evaluate("img => img.decode().then(() => img.naturalWidth)") > 100
    jobs = page.locator("#character-jobs")
    expect(jobs.locator("li")).to_have_count(2)
    expect(jobs.locator(".mark-succeeded")).to_have_count(2, timeout=JOBS)
    shot(page, "story-3-draft")
    return name, page.url


def edit(writer, draft, shot):
    """She edits the description, sees its length follow, and adds three fallback replies."""
    page = writer.page
    page.get_by_role("link", name="Edit", exact=True).click()
    description = page.get_by_label("Description", exact=True)
    counter = page.locator("[data-length-of=description]")
    before = counter.inner_text()
    description.fill("A clever cat who keeps a lighthouse. 一只看守灯塔的猫。\n\n" + description.input_value())
    expect(counter).not_to_have_text(before)
    replies = page.locator("#part-replies")
    for number, text in enumerate(("*purrs and waits*", "Let me think about it.", "喵。等一等。"), 1):
        writer.press("Add a reply", within=replies)
        replies.get_by_label(f"Reply {number}", exact=True).fill(text)
    shot(page, "story-4-editor")
    writer.press("Save")
    expect(page.locator(".messages")).to_contain_text("Saved.")
    writer.go(draft)
    expect(page.locator(".character-texts")).to_contain_text("一只看守灯塔的猫")
    expect(page.locator(".reply-list li")).to_have_count(3)


def submit(writer, title, shot):
    """She submits a listing, and sees its checks end without reloading; returns its address."""
    page = writer.page
    page.get_by_role("link", name="Submit a listing").click()
    fill_listing(page, title)
    shot(page, "story-5-submit")
    writer.press("Submit for review")
    expect(page.locator("h1")).to_have_text(title)
    expect(page.get_by_text("Waiting for a moderator")).to_be_visible(timeout=JOBS)
    shot(page, "story-6-listing")
    return page.url


def fill_listing(page, title):
    page.get_by_label("Title").fill(title)
    page.get_by_label("Price").fill("49.99")
    page.get_by_label("Licence").select_option("premium")
    page.get_by_label("Category").select_option(index=1)


def send_back(reader, title, name, shot):
    """The moderator claims it, sees card, evidence and neighbours, and gives two reasons at two fields."""
    page = reader.go("/review/")
    shot(page, "story-7-queue")
    page.get_by_role("link", name=title).click()
    reader.press("Claim")
    expect(page.get_by_text("You hold this review")).to_be_visible()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.locator(".findings > li").first).to_be_visible()
    expect(page.get_by_role("heading", name="Alike")).to_be_visible()
    expect(page.locator(".bubble").first).not_to_contain_text("{{char}}")
    reasons, fields = page.get_by_label("Reason", exact=True), page.get_by_label("About", exact=True)
    reasons.first.select_option("thin_description")
    fields.first.select_option("description")
    page.get_by_label("In your own words").first.fill("Who is the keeper's rival?")
    page.get_by_text("More reasons").click()
    reasons.nth(1).select_option("broken_greeting")
    fields.nth(1).select_option("first_mes")
    shot(page, "story-8-desk")
    reader.press("Send back with these reasons")


def undo(reader, title, shot):
    """The moderator thinks again, and undoes it within ten seconds: what was chosen stands in the form. Then it goes."""
    page = reader.page
    said = page.locator(".messages .alert-undo")
    expect(said.locator(".undo-left")).to_contain_text(re.compile(r"\d"))
    shot(page, "story-8b-undo")
    said.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: nothing happened")).to_be_visible()
    expect(page.get_by_label("In your own words").first).to_have_value("Who is the keeper's rival?")
    expect(page.get_by_label("Reason", exact=True).nth(1)).to_have_value("broken_greeting")
    reader.press("Send back with these reasons")
    expect(page.locator(".messages .alert-success")).to_contain_text("Sent back")


def mend(writer, stage, listing, shot):
    """She reads both reasons once they are in effect, each leads to its field, and mends them."""
    page = writer.go(listing)
    expect(page.get_by_text("Who is the keeper's rival?")).to_have_count(0)
    with stage.session() as session:
        effects.release_due(session, now=utc_now() + review_rules.UNDO)
    page = writer.go(listing)
    expect(page.get_by_text("Who is the keeper's rival?").first).to_be_visible()
    shot(page, "story-9-sent-back")
    page.get_by_role("link", name="Mend the character").click()
    asked = page.locator(".feedback-list > li")
    expect(asked).to_have_count(2)
    # She stands in the field of the first reason at once, and goes on to the next.
    expect(page.get_by_label("Description", exact=True)).to_be_focused()
    page.locator("#asked-description").get_by_role("link", name="Next reason").click()
    expect(page.get_by_label("First greeting", exact=True)).to_be_focused()
    asked.filter(has_text="rival").locator(".feedback-field").click()
    expect(page.locator("#field-description")).to_be_in_viewport()
    shot(page, "story-10-feedback")
    description = page.get_by_label("Description", exact=True)
    description.fill(description.input_value() + "\n\nThe rival is a fox who sells fog by the bottle.")
    page.get_by_label("First greeting", exact=True).fill('"You are late, {{user}}. What did the sea tell you?"')
    writer.press("Save")
    expect(page.locator(".messages")).to_contain_text("Saved.")


def submit_anew(writer, listing, title):
    """She submits it again; returns the new listing's address."""
    page = writer.go(listing)
    page.get_by_role("link", name="Submit anew").click()
    expect(page.get_by_label("Title")).to_have_value(title)
    writer.press("Submit for review")
    expect(page.get_by_text("Waiting for a moderator")).to_be_visible(timeout=JOBS)
    return page.url


def approve(reader, title):
    """The moderator reads what changed, and approves."""
    page = reader.go("/review/")
    page.get_by_role("link", name=title).click()
    reader.press("Claim")
    expect(page.get_by_text("sells fog by the bottle").first).to_be_visible()
    reader.press("Approve")
    reader.agree()
    expect(page.locator(".messages .alert-success")).to_contain_text("You can undo this")


def find(other, name, shot):
    """Others find it: by two Chinese characters, and by what is meant."""
    page = other.go("/search/?q=灯塔&mode=words")
    expect(page.locator(".found").get_by_text(name).first).to_be_visible()
    page = other.go("/search/?q=a cat that looks after a lighthouse&mode=meaning")
    expect(page.locator(".found").get_by_text(name).first).to_be_visible()
    shot(page, "story-12-search")


def see_the_jobs(clerk, shot):
    """Staff see the jobs that did it."""
    page = clerk.go("/jobs/")
    for job in ("Screen a listing", "Embed a character"):
        expect(page.get_by_role("table")).to_contain_text(job)
    page.get_by_role("link", name="Screen a listing").first.click()
    expect(page.locator("#job-live .mark-succeeded")).to_be_visible()
    shot(page, "story-13-job")
