"""`cards inspect` and `cards export`: words and files."""

import io
import json

import pytest

from studio.cards import command
from studio.cards.errors import CardError, ExportError, NotACardError, TooLargeError
from studio.cards.reader import read_card
from tests.cards import builders as make


@pytest.fixture
def card_file(tmp_path):
    path = tmp_path / "card.png"
    path.write_bytes(make.png_file(make.chara(make.v2_document(character_book=None, odd="\x1b[31m"))))
    return path


class TestExportThenInspect:
    @pytest.mark.parametrize("as_", ["png", "json", "charx"])
    @pytest.mark.parametrize("date", [None, 1_700_000_001])
    def test_gives_the_same_card_with_its_dates(self, tmp_path, as_, date):
        given = make.v3_document() if date is None else make.v3_document(modification_date=date)
        if date is None:
            given["data"].pop("modification_date", None)
        source, copy = tmp_path / "card.json", tmp_path / f"copy.{as_}"
        source.write_text(json.dumps(given, ensure_ascii=False), encoding="utf-8")
        command.export(source, to="v3", as_=as_, output=copy, keep_metadata=False, out=io.StringIO())
        assert read_card(copy.read_bytes()).card == read_card(source.read_bytes()).card


class TestInspect:
    def test_prints_json_with_the_promised_keys(self, card_file):
        out = io.StringIO()
        command.inspect(card_file, as_json=True, out=out)
        shown = json.loads(out.getvalue())
        assert list(shown) == [
            "format",
            "spec_version",
            "card",
            "repairs",
            "warnings",
            "kept",
            "lorebook_entries",
            "content_hash",
        ]
        assert (shown["format"], shown["spec_version"], shown["lorebook_entries"]) == ("png_v2", "2.0", 0)
        assert set(shown["card"]) == {"spec", "spec_version", "data"}
        assert shown["repairs"][0]["code"] == "empty_removed"
        assert "data.odd" in shown["kept"]

    def test_prints_a_report_that_cannot_drive_the_terminal(self, card_file):
        out = io.StringIO()
        command.inspect(card_file, as_json=False, out=out)
        report = out.getvalue()
        assert "苏晚 — Character Card V2 in png" in report
        assert "2 × 3" in report
        assert "data.odd" in report
        assert "\x1b" not in report

    def test_refuses_in_one_sentence(self, tmp_path):
        nothing, empty, large = tmp_path / "nothing", tmp_path / "empty", tmp_path / "large"
        empty.write_bytes(b"")
        with large.open("wb") as file:
            file.truncate(200_000_001)
        for path, error in (
            (nothing, CardError),
            (tmp_path, CardError),
            (empty, NotACardError),
            (large, TooLargeError),
        ):
            with pytest.raises(error):
                command.inspect(path, as_json=False, out=io.StringIO())


class TestExport:
    def test_writes_a_file_that_reads_back(self, card_file, tmp_path):
        output, out = tmp_path / "out.charx", io.StringIO()
        output.write_bytes(b"earlier")
        command.export(card_file, to="v3", as_="charx", output=output, keep_metadata=False, out=out)
        before, after = read_card(card_file.read_bytes()), read_card(output.read_bytes())
        assert after.content_hash == before.content_hash
        assert after.format == "charx_v3"
        assert str(output) in out.getvalue()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["card.png", "out.charx"]

    def test_names_the_losses(self, card_file, tmp_path):
        out = io.StringIO()
        command.export(card_file, to="v1", as_="json", output=tmp_path / "o", keep_metadata=False, out=out)
        assert "data.tags: V1 cannot say this" in out.getvalue()

    @pytest.mark.parametrize(("to", "as_"), [("v9", "png"), ("v3", "pdf")])
    def test_leaves_the_output_alone_on_failure(self, card_file, tmp_path, to, as_):
        output = tmp_path / "out"
        output.write_bytes(b"earlier")
        with pytest.raises(ExportError):
            command.export(card_file, to=to, as_=as_, output=output, keep_metadata=False, out=io.StringIO())
        assert output.read_bytes() == b"earlier"

    def test_says_where_it_cannot_write(self, card_file, tmp_path):
        for output in (tmp_path / "missing" / "out", tmp_path):
            with pytest.raises(ExportError):
                command.export(card_file, to="v3", as_="png", output=output, keep_metadata=False, out=io.StringIO())
        assert [path.name for path in tmp_path.iterdir()] == ["card.png"]
