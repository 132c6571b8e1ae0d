import uuid
from datetime import timedelta

import pytest
import time_machine

from studio.accounts.permissions import RoleName
from studio.authoring import versions
from studio.authoring.models import CharacterStatus
from studio.kit.clock import utc_now
from studio.market.models import CharacterCategory, CharacterPublication, LicenseType, PublicationStatus
from studio.media import files, uploads, variants
from studio.media.models import MediaPurpose
from studio.providers import storage as storages
from tests.factories.accounts import make_user
from tests.factories.authoring import card_file, import_character
from tests.factories.media import make_portrait, picture, wav


@pytest.fixture
def storage(settings):
    return storages.from_settings(settings)


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def file(session, storage, owner):
    return make_portrait(session, actor=owner.actor, storage=storage)


class TestFile:
    def test_gives_the_owner_the_bytes_and_lets_nothing_run(self, browser_of, owner, file):
        answer = browser_of(owner).get(f"/media/{file.id}")
        assert (answer.status_code, answer.mimetype) == (200, "image/png")
        assert answer.data == picture() or answer.data.startswith(b"\x89PNG")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "private" in answer.headers["Cache-Control"]

    def test_is_not_sent_again_where_the_browser_has_it(self, browser_of, owner, file):
        browser = browser_of(owner)
        tag = browser.get(f"/media/{file.id}").headers["ETag"]
        answer = browser.get(f"/media/{file.id}", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.data) == (304, b"")

    def test_is_not_found_by_outsiders(self, session, browser_of, file):
        browser = browser_of(make_user(session, RoleName.CREATOR))
        for address in (f"/media/{file.id}", f"/media/{file.id}/card", f"/media/{uuid.uuid4()}"):
            assert browser.get(address).status_code == 404

    def test_sends_who_is_nobody_to_the_sign_in_page(self, client, file):
        assert client.get(f"/media/{file.id}").status_code == 302

    def test_offers_a_card_as_a_download(self, session, browser_of, storage, owner):
        card = files.keep(
            session, actor=owner.actor, storage=storage, data=card_file(), purpose=MediaPurpose.CARD, name="独孤.png"
        )
        answer = browser_of(owner).get(f"/media/{card.id}", follow_redirects=True)
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.data == storage.get(storages.key_of(card.sha256))

    def test_says_so_where_the_bytes_are_lost(self, browser_of, storage, owner, file):
        storage.delete(storages.key_of(file.sha256))
        answer = browser_of(owner).get(f"/media/{file.id}")
        assert answer.status_code == 503
        assert "missing from the storage" in answer.text


class TestRange:
    @pytest.mark.parametrize(
        ("asked", "status", "start", "end"),
        [
            ("bytes=0-9", 206, 0, 10),
            ("bytes=10-", 206, 10, None),
            ("bytes=-7", 206, -7, None),
            ("bytes=-9999999", 200, 0, None),
            ("bytes=0-1,5-6", 200, 0, None),
            ("lines=0-1", 200, 0, None),
        ],
    )
    def test_gives_the_part_that_is_asked_for(self, browser_of, storage, owner, file, asked, status, start, end):
        whole = storage.get(storages.key_of(file.sha256))
        answer = browser_of(owner).get(f"/media/{file.id}", headers={"Range": asked})
        assert (answer.status_code, answer.data) == (status, whole[start:end])
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert int(answer.headers["Content-Length"]) == len(answer.data)

    def test_says_so_where_there_is_no_such_part(self, browser_of, owner, file):
        beyond = browser_of(owner).get(f"/media/{file.id}", headers={"Range": "bytes=9999999-"})
        assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{file.size_bytes}")

    def test_gives_the_whole_where_the_file_is_another_one_by_now(self, browser_of, owner, file):
        headers = {"Range": "bytes=0-9", "If-Range": '"another"'}
        assert browser_of(owner).get(f"/media/{file.id}", headers=headers).status_code == 200


class TestSignedLink:
    @pytest.fixture
    def sound(self, session, storage, owner):
        return uploads.take(session, actor=owner.actor, storage=storage, data=wav(), name="x.wav", quota=0)[0]

    def test_gives_the_file_to_whoever_has_the_link_while_it_is_good(self, browser_of, client, owner, sound):
        answer = browser_of(owner).get(f"/media/{sound.id}")
        assert answer.status_code == 302
        assert answer.location.startswith("/files/")
        part = client.get(answer.location, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.data, part.mimetype) == (206, b"RIFF", "audio/wav")
        assert "sandbox" in part.headers["Content-Security-Policy"]

    def test_is_worth_nothing_later_or_changed_or_for_other_bytes(self, session, browser_of, client, owner, sound):
        with time_machine.travel(utc_now() - timedelta(minutes=11), tick=False):
            old = browser_of(owner).get(f"/media/{sound.id}").location
        assert client.get(old).status_code == 404
        link = browser_of(owner).get(f"/media/{sound.id}").location
        assert client.get(link[:-2] + "xx").status_code == 404
        assert client.get("/files/rubbish").status_code == 404
        sound.sha256 = "0" * 64
        session.flush()
        assert client.get(link).status_code == 404

    def test_is_given_to_nobody_who_may_not_see_the_file(self, session, browser_of, post, sound):
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert stranger.get(f"/media/{sound.id}").status_code == 404
        assert post(stranger, f"/library/{sound.id}/link").status_code == 404


class TestVariant:
    def test_is_the_picture_itself_until_it_is_made(self, session, browser_of, storage, owner, file):
        browser = browser_of(owner)
        assert browser.get(f"/media/{file.id}/avatar").mimetype == "image/png"
        variants.make(session, file_id=file.id, storage=storage)
        assert browser.get(f"/media/{file.id}/avatar").mimetype == "image/webp"

    def test_is_no_other_word(self, browser_of, owner, file):
        assert browser_of(owner).get(f"/media/{file.id}/huge").status_code == 404

    def test_shows_a_live_listings_portrait_to_every_creator_but_not_its_source(
        self, session, browser_of, storage, owner, now
    ):
        character = import_character(session, actor=owner.actor, storage=storage)
        variants.make(session, file_id=character.portrait_id, storage=storage)
        version = versions.make(session, actor=owner.actor, character_id=character.id, now=now)
        category = CharacterCategory(name="Test shelf")
        session.add(category)
        session.flush()
        listing = CharacterPublication(
            character_id=character.id,
            version_number=version.version_number,
            publisher_id=owner.id,
            title="x",
            category_id=category.id,
            price_minor=0,
            currency="USD",
            license_type=LicenseType.FREE,
            status=PublicationStatus.PENDING,
            content_hash="x",
            submitted_at=now,
        )
        session.add(listing)
        session.flush()
        browser = browser_of(make_user(session, RoleName.CREATOR))
        admin = browser_of(make_user(session, RoleName.ADMIN))
        address = f"/media/{character.portrait_id}"
        assert browser.get(f"{address}/card").status_code == 404
        listing.status, listing.published_at = PublicationStatus.APPROVED, now
        character.status = CharacterStatus.PUBLISHED
        session.flush()
        assert browser.get(f"{address}/card").mimetype == "image/webp"
        assert admin.get(f"{address}/card").mimetype == "image/webp"
        assert browser.get(address).status_code == 404
