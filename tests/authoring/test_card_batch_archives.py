"""Many cards at once, in archives: brought in parts, opened by the job, bounded."""

import io
import stat
import zipfile

import pytest

from studio.authoring import (
    card_batches,
)
from studio.authoring.models import (
    CardBatchPart,
    Character,
    ItemState,
)
from studio.cards import limits
from studio.kit.errors import InvalidError
from tests.authoring.batches import brought, count, items_of, opened, packed, work_through
from tests.factories.authoring import card_file, json_card


class TestParts:
    def send(self, session, storage, actor, batch, name, data, numbers=None):
        total = -(-len(data) // card_batches.PART_BYTES)
        for number in numbers if numbers is not None else range(total):
            start = number * card_batches.PART_BYTES
            card_batches.receive_part(
                session,
                actor=actor,
                storage=storage,
                batch_id=batch.id,
                path=name,
                size=len(data),
                number=number,
                total=total,
                data=data[start : start + card_batches.PART_BYTES],
            )

    def test_make_an_archive_that_is_unpacked_whatever_its_size(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "PART_BYTES", 1_000)
        data = packed({f"{n}.json": json_card(name=f"Number {n}") for n in range(30)})
        batch = opened(session, creator, now)
        self.send(session, storage, creator, batch, "all.zip", data, [3, 0, 0])
        assert card_batches.arriving(session, actor=creator, batch_id=batch.id) == {"all.zip": [3, 0]}
        self.send(session, storage, creator, batch, "all.zip", data)
        assert card_batches.arriving(session, actor=creator, batch_id=batch.id) == {}
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        work_through(session, storage, batch, now)
        items = items_of(session, batch)
        assert items["all.zip"].state is ItemState.UNPACKED
        assert {items[f"all.zip/{n}.json"].state for n in range(30)} == {ItemState.MADE}
        assert count(session, CardBatchPart) == 0

    def test_make_a_large_card_that_is_read_as_one(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "PART_BYTES", 1_000)
        data = card_file("charx")
        batch = opened(session, creator, now)
        self.send(session, storage, creator, batch, "big.charx", data)
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        work_through(session, storage, batch, now)
        item = items_of(session, batch)["big.charx"]
        assert (item.state, item.format) == (ItemState.MADE, "charx_v3")

    def test_that_never_came_are_told(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "PART_BYTES", 1_000)
        batch = opened(session, creator, now)
        self.send(session, storage, creator, batch, "all.zip", bytes(5_000), [0])
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        assert "did not arrive whole" in items_of(session, batch)["all.zip"].message

    def test_that_do_not_fit_are_refused(self, session, storage, creator, now):
        batch = opened(session, creator, now)
        with pytest.raises(InvalidError, match="do not fit"):
            card_batches.receive_part(
                session,
                actor=creator,
                storage=storage,
                batch_id=batch.id,
                path="a.zip",
                size=10,
                number=1,
                total=1,
                data=b"x",
            )


class TestArchives:
    def test_bring_their_files_with_their_paths(self, session, storage, creator, now):
        data = packed({"a/x.json": json_card(), "b/y.png": card_file(name="Y"), "__MACOSX/x.json": b"?"})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert {name: item.state.value for name, item in items.items()} == {
            "all.zip": "unpacked",
            "all.zip/a/x.json": "made",
            "all.zip/b/y.png": "made",
        }
        assert items["all.zip/a/x.json"].parent_id == items["all.zip"].id

    def test_hold_cards_that_are_archives_themselves_but_no_archives_of_cards(self, session, storage, creator, now):
        data = packed({"a.charx": card_file("charx"), "inner.zip": packed({"b.json": json_card(name="B")})})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert items["all.zip/a.charx"].state is ItemState.MADE
        assert items["all.zip/inner.zip"].state is ItemState.REFUSED
        assert count(session, Character) == 1

    @pytest.mark.parametrize("path", ["../a.json", "/etc/a.json", "C:/a.json"])
    def test_with_paths_that_lead_out_give_the_other_files(self, session, storage, creator, now, path):
        data = packed({path: json_card(name="Evil"), "good.json": json_card()})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert items["all.zip/good.json"].state is ItemState.MADE
        (evil,) = (item for name, item in items.items() if name not in {"all.zip", "all.zip/good.json"})
        assert evil.state is ItemState.REFUSED
        assert "leads out" in evil.message

    def test_with_links_give_the_other_files(self, session, storage, creator, now):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            link = zipfile.ZipInfo("link.json")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
            archive.writestr("good.json", json_card())
        items = brought(session, creator, storage, now, [("all.zip", made.getvalue())])
        assert items["all.zip/link.json"].state is ItemState.REFUSED
        assert items["all.zip/good.json"].state is ItemState.MADE

    def test_with_bombs_give_the_other_files(self, session, storage, creator, now):
        data = packed({"bomb.json": bytes(30_000_000), "good.json": json_card()})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert items["all.zip/bomb.json"].state is ItemState.REFUSED
        assert items["all.zip/good.json"].state is ItemState.MADE

    def test_that_are_encrypted_say_so_for_each_file(self, session, storage, creator, now):
        data = bytearray(packed({"a.json": json_card()}))
        data[6] |= 1
        data[data.rfind(b"PK\x01\x02") + 8] |= 1
        items = brought(session, creator, storage, now, [("all.zip", bytes(data))])
        assert "encrypted" in items["all.zip/a.json"].message

    def test_that_are_cut_off_are_refused(self, session, storage, creator, now):
        data = packed({"a.json": json_card()})[:-30]
        assert "cut off" in brought(session, creator, storage, now, [("all.zip", data)])["all.zip"].message

    def test_count_what_they_hold(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "MOST_FILES", 3)
        data = packed({f"{n}.json": json_card(name=str(n)) for n in range(5)})
        item = brought(session, creator, storage, now, [("all.zip", data)])["all.zip"]
        assert (item.state, item.params) == (
            ItemState.REFUSED,
            {"files": 3, "megabytes": card_batches.MOST_BYTES // limits.MB},
        )
