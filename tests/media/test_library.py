"""A person's library: describing and cropping, letting go, and clearing away what nothing uses, never what is in use."""

import io
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy.orm import Session

from studio.accounts.permissions import RoleName
from studio.authoring import portraits
from studio.authoring.models import Character
from studio.kit import db
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError, StaleError
from studio.media import files, library, pixels, queries, references, rules, variants
from studio.media.errors import UsedFileError
from studio.media.models import MediaFile, MediaPurpose, VariantKind
from studio.operations import trash
from studio.providers.storage import key_of
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.factories.media import make_portrait, picture

SHARES = st.floats(min_value=0, max_value=1)


@pytest.fixture
def file(session, storage, creator):
    return make_portrait(session, actor=creator, storage=storage)


def describe(session, actor, file, **changes):
    base = {"row_version": file.row_version, "alt_text": "", "crop": None, "focus": None}
    return library.describe(session, actor=actor, file_id=file.id, **base | changes)


class TestDescribe:
    def test_makes_the_sizes_anew_where_the_crop_moved(self, session, storage, creator, file):
        before = {made.variant: made.sha256 for made in variants.make(session, file_id=file.id, storage=storage)}
        describe(session, creator, file, crop=[0.0, 0.0, 1.0, 0.25], focus=(0.1, 0.9))
        assert session.scalars(sa.select(MediaFile).where(MediaFile.source_id == file.id)).all() == []
        after = {made.variant: made.sha256 for made in variants.make(session, file_id=file.id, storage=storage)}
        assert set(after) == set(VariantKind)
        assert not set(after.values()) & set(before.values())

    def test_leaves_the_sizes_where_only_words_changed(self, session, storage, creator, file):
        variants.make(session, file_id=file.id, storage=storage)
        assert describe(session, creator, file, alt_text="  A woman\nwith a sword ").alt_text == "A woman with a sword"
        assert session.scalar(sa.select(sa.func.count()).where(MediaFile.source_id == file.id)) == 3

    def test_refuses_an_older_reading(self, session, creator, file):
        describe(session, creator, file, alt_text="one")
        with pytest.raises(StaleError):
            describe(session, creator, file, row_version=1, alt_text="two")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"crop": [0.5, 0.0, 0.5, 1.0]},
            {"crop": [-0.1, 0.0, 1.0, 1.0]},
            {"crop": [0.0, 0.0, 1.0, float("nan")]},
            {"focus": (0.5, 1.1)},
            {"focus": (float("nan"), 0.5)},
            {"alt_text": "x" * 501},
        ],
    )
    def test_refuses_what_cannot_be(self, session, creator, file, wrong):
        with pytest.raises(InvalidError):
            describe(session, creator, file, **wrong)

    def test_is_for_the_owner(self, session, moderator, outsider, file):
        for other in (moderator, outsider):
            with pytest.raises((NotFoundError, ForbiddenError)):
                describe(session, other, file)


class TestCrop:
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        width=st.integers(1, 4000),
        height=st.integers(1, 4000),
        left=SHARES,
        top=SHARES,
        focus=st.tuples(SHARES, SHARES),
        kind=st.sampled_from(VariantKind),
    )
    def test_stays_within_the_part_and_keeps_the_proportions(self, width, height, left, top, focus, kind):
        part = rules.part_of(width, height, [left * 0.9, top * 0.9, left * 0.9 + 0.1, top * 0.9 + 0.1])
        box = rules.VARIANTS[kind]
        size = rules.fitted(round(part[2] - part[0]) or 1, round(part[3] - part[1]) or 1, box)
        found = rules.filled(part, size, (focus[0] * width, focus[1] * height))
        assert part[0] - 1e-6 <= found[0] < found[2] <= part[2] + 1e-6
        assert part[1] - 1e-6 <= found[1] < found[3] <= part[3] + 1e-6

    def test_shows_what_the_focus_says(self):
        image = Image.new("RGB", (1000, 1000), (0, 0, 0))
        image.paste((255, 0, 0), (800, 0, 1000, 1000))
        ((_kind, data, *_),) = pixels.variants(image, [VariantKind.CARD], focus=(0.95, 0.5))
        shown = Image.open(io.BytesIO(data)).convert("RGB")
        assert shown.getpixel((shown.width - 5, shown.height // 2))[0] > 200


class TestDelete:
    def test_is_refused_while_anything_uses_it(self, session, storage, creator, file, now):
        character = make_character(session, owner=creator)
        portraits.use(session, actor=creator, character_id=character.id, file_id=file.id, row_version=None, now=now)
        with pytest.raises(UsedFileError):
            library.delete(session, actor=creator, file_id=file.id)
        assert [use.table for use in references.uses_of(session, file_id=file.id)] == ["characters"]

    def test_takes_the_sizes_along_and_asks_for_the_bytes(self, session, storage, creator, file):
        file_id = file.id
        made = [one.sha256 for one in variants.make(session, file_id=file_id, storage=storage)]
        library.delete(session, actor=creator, file_id=file_id)
        assert session.scalar(sa.select(sa.func.count()).select_from(MediaFile)) == 0
        assert files.drop_unused(session, storage=storage, hashes=made) == 3

    def test_bytes_stay_while_an_export_of_the_same_content_is_there(self, session, storage, creator, now):
        from studio.operations.models import ListExport

        storage.put(key_of("a" * 64), b"x")
        session.add(
            ListExport(
                asked_by_id=creator.user_id,
                list_name="characters",
                created_at=now,
                finished_at=now,
                expires_at=now,
                sha256="a" * 64,
                size_bytes=1,
            )
        )
        session.flush()
        assert files.drop_unused(session, storage=storage, hashes=["a" * 64]) == 0
        assert storage.exists(key_of("a" * 64))


class TestCollect:
    def old(self, session, file, now):
        """The file is a month old, and was found to be loose eight days ago."""
        session.execute(sa.update(MediaFile).values(created_at=now - timedelta(days=30)))
        assert library.mark_loose(session, now=now - timedelta(days=8)) == 1

    def test_clears_away_what_nothing_uses_and_nobody_keeps(self, session, storage, creator, file, now):
        self.old(session, file, now)
        gone, hashes = library.collect(session, now=now)
        assert gone == 1
        assert files.drop_unused(session, storage=storage, hashes=hashes) == 1
        assert library.collect(session, now=now) == (0, [])

    def test_leaves_a_week_from_when_it_came_out_of_use_however_old_it_is(self, session, storage, creator, file, now):
        """A portrait of last month that was replaced today is not cleared away tonight."""
        session.execute(sa.update(MediaFile).values(created_at=now - timedelta(days=30)))
        character = make_character(session, owner=creator)
        portraits.use(session, actor=creator, character_id=character.id, file_id=file.id, row_version=None, now=now)
        assert library.mark_loose(session, now=now) == 0
        character.portrait_id = None
        session.flush()
        assert library.mark_loose(session, now=now) == 1
        assert library.collect(session, now=now + timedelta(days=6, hours=23)) == (0, [])
        session.refresh(file)
        assert library.is_cleared_at(file) == now + timedelta(days=7)
        # Wanted again and let go of again: a whole week again.
        portraits.use(session, actor=creator, character_id=character.id, file_id=file.id, row_version=None, now=now)
        character.portrait_id = None
        session.flush()
        later = now + timedelta(days=8)
        assert library.collect(session, now=later) == (0, [])
        assert library.mark_loose(session, now=later) == 1
        assert library.collect(session, now=later + timedelta(days=7, hours=1))[0] == 1

    def test_forgets_since_when_once_something_uses_it(self, session, storage, creator, file, now):
        self.old(session, file, now)
        character = make_character(session, owner=creator)
        character.portrait_id = file.id
        session.flush()
        assert library.mark_loose(session, now=now) == 1
        session.refresh(file)
        assert file.loose_since is None
        assert library.mark_loose(session, now=now) == 0

    @pytest.mark.parametrize("why", ["young", "kept", "portrait", "in a version"])
    def test_leaves_what_is_wanted(self, session, storage, creator, file, now, why):
        if why != "young":
            self.old(session, file, now)
        if why == "kept":
            library.keep(session, actor=creator, file_id=file.id)
        if why in {"portrait", "in a version"}:
            character = make_character(session, owner=creator)
            portraits.use(session, actor=creator, character_id=character.id, file_id=file.id, row_version=None, now=now)
        if why == "in a version":
            from studio.authoring import versions

            versions.make(session, actor=creator, character_id=character.id, now=now)
            character.portrait_id = None
            session.flush()
        assert library.collect(session, now=now)[0] == 0

    def test_a_deleted_character_leaves_what_the_person_keeps(self, session, storage, creator, file, now):
        loose = make_portrait(session, actor=creator, storage=storage, data=picture(color=(1, 200, 3)))
        library.keep(session, actor=creator, file_id=file.id)
        for one in (file, loose):
            character = make_character(session, owner=creator)
            portraits.use(session, actor=creator, character_id=character.id, file_id=one.id, row_version=None, now=now)
            thrown = trash.put(session, actor=creator, character_id=character.id, now=now)
            trash.delete(session, actor=creator, character_id=character.id, row_version=thrown.row_version)
        assert session.scalars(sa.select(MediaFile.id).where(MediaFile.purpose == MediaPurpose.PORTRAIT)).all() == [
            file.id
        ]

    def test_never_takes_one_that_comes_into_use_at_the_same_moment(self, committed_database, storage, now):
        """Eight people choose portraits while the collector runs again and again: no character loses its picture."""
        engine = committed_database.engine
        with db.session_scope(engine) as session:
            creator = make_actor(session, RoleName.CREATOR)
            chosen = []
            for number in range(24):
                file = make_portrait(
                    session, actor=creator, storage=storage, data=picture(40, 60, color=(number * 9, 1, 2))
                )
                file.created_at = file.loose_since = now - timedelta(days=30)
                chosen.append((make_character(session, owner=creator).id, file.id))
        over = threading.Event()
        trouble = []

        def collect():
            while not over.is_set():
                with db.session_scope(engine) as session:
                    library.collect(session, now=now, limit=3)

        def choose(some):
            for character_id, file_id in some:
                try:
                    with db.session_scope(engine) as session:
                        portraits.use(
                            session,
                            actor=creator,
                            character_id=character_id,
                            file_id=file_id,
                            row_version=None,
                            now=now,
                        )
                except NotFoundError:
                    continue
                except Exception as error:  # noqa: BLE001 - Whatever it is, the test says it.
                    trouble.append(error)

        choosers = [threading.Thread(target=choose, args=(chosen[place::4],)) for place in range(4)]
        collector = threading.Thread(target=collect)
        for thread in (*choosers, collector):
            thread.start()
        for thread in choosers:
            thread.join()
        over.set()
        collector.join()
        assert trouble == []
        with Session(engine) as session:
            held = session.scalars(sa.select(Character.portrait_id)).all()
            there = set(session.scalars(sa.select(MediaFile.id)))
            kept = [file_id for file_id in held if file_id is not None]
            assert set(kept) <= there
            audited = session.scalar(
                sa.text("SELECT count(*) FROM audit_entries WHERE action = 'character.set_portrait'")
            )
            # Whoever was told that the character shows the picture was told the truth.
            assert audited == len(kept)


class TestOrphans:
    def test_objects_that_no_row_speaks_of_go_after_a_day(self, session, storage, creator, file, now):
        storage.put(key_of("b" * 64), b"left behind")
        later = now.replace(year=now.year + 1)
        assert (
            sum(
                files.drop_orphans(session, storage=storage, part=part, before=now.replace(year=2000))
                for part in range(256)
            )
            == 0
        )
        assert sum(files.drop_orphans(session, storage=storage, part=part, before=later) for part in range(256)) == 1
        assert storage.exists(key_of(file.sha256))
        assert not storage.exists(key_of("b" * 64))


class TestLookAlikes:
    def test_finds_the_same_picture_saved_anew(self, session, storage, creator, outsider):
        def checked(size, kind):
            image = Image.new("RGB", (8, 8))
            image.putdata([(90 * (place % 3), 40 * (place % 5), 200 - 20 * (place // 9)) for place in range(64)])
            out = io.BytesIO()
            image.resize(size, Image.Resampling.BICUBIC).save(out, kind)
            return out.getvalue()

        file = make_portrait(session, actor=creator, storage=storage, data=checked((240, 360), "PNG"))
        again = make_portrait(session, actor=creator, storage=storage, data=checked((480, 720), "JPEG"))
        make_portrait(session, actor=outsider, storage=storage, data=checked((480, 720), "WEBP"))
        assert [one.id for one in queries.look_alikes(session, file=file)] == [again.id]
        alone = make_portrait(session, actor=creator, storage=storage, data=picture(240, 360))

        def filtered():
            alike = queries.has_look_alike(owner_id=creator.user_id)
            return set(session.scalars(sa.select(MediaFile.id).where(queries.library_visible_to(creator), alike)))

        assert filtered() == {file.id, again.id}
        # The filter finds what a file's page shows, to the last bit of the rule.
        six = sum(1 << place for place in (0, 10, 20, 30, 40, 62))
        for bits, expected in ((six, {file.id, again.id}), (six | 2, set())):
            session.get(MediaFile, again.id).perceptual_hash = session.get(MediaFile, file.id).perceptual_hash ^ bits
            session.flush()
            assert {one.id for one in queries.look_alikes(session, file=file)} == expected - {file.id}
            assert filtered() == expected
        assert queries.look_alikes(session, file=alone) == []
        # A plain colour and an even slope say nothing, and are like nobody.
        for one in (file, again):
            session.get(MediaFile, one.id).perceptual_hash = 0
        session.get(MediaFile, alone.id).perceptual_hash = -1 << 60
        session.flush()
        assert not any(queries.look_alikes(session, file=session.get(MediaFile, one.id)) for one in (file, alone))
        session.get(MediaFile, again.id).perceptual_hash = 0b111
        session.flush()
        assert queries.look_alikes(session, file=session.get(MediaFile, again.id)) == []
        assert filtered() == set()
