import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from studio.accounts.permissions import NOBODY
from studio.kit.errors import NotFoundError
from studio.media import queries, variants
from studio.media.models import MediaFile, MediaPurpose, VariantKind
from tests.factories.media import make_portrait


class TestGetFile:
    def test_shows_the_owner_their_file(self, session, storage, creator):
        file = make_portrait(session, actor=creator, storage=storage)
        assert queries.get_file(session, actor=creator, file_id=file.id) is file

    def test_shows_staff_and_moderators_every_file(self, session, storage, creator, moderator):
        file = make_portrait(session, actor=creator, storage=storage)
        assert queries.get_file(session, actor=moderator, file_id=file.id) is file

    def test_hides_it_from_outsiders_with_its_variants(self, session, storage, creator, outsider):
        file = make_portrait(session, actor=creator, storage=storage)
        made = variants.make(session, file_id=file.id, storage=storage)
        for hidden in (file, *made):
            for stranger in (outsider, NOBODY):
                with pytest.raises(NotFoundError):
                    queries.get_file(session, actor=stranger, file_id=hidden.id)


class TestTable:
    @pytest.mark.parametrize(
        "columns",
        [
            {"size_bytes": -1},
            {"sha256": "avatar.png"},
            {"width": 3},
            {"purpose": MediaPurpose.VARIANT},
            {"variant": VariantKind.CARD},
        ],
        ids=lambda columns: next(iter(columns)),
    )
    def test_refuses_what_cannot_be(self, session, storage, creator, columns):
        row = {"purpose": MediaPurpose.CARD, "sha256": "0" * 64, "media_type": "image/png", "size_bytes": 1, **columns}
        with pytest.raises(IntegrityError):
            session.execute(sa.insert(MediaFile).values(row))
