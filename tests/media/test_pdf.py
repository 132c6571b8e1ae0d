"""PDF is written anew: what it tells of its maker, and what could run or hide in it, is gone; its pages look the same."""

import io
import zlib

import pikepdf
import pypdfium2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pikepdf import Array, Dictionary, Name
from PIL import Image

from studio.media import pdf
from studio.media.errors import UnusableFileError

SECRETS = (b"Meng", b"Shanghai", b"alert", b"calc.exe", b"evil.example", b"salary", b"Nikon", b"earlier draft")


def camera_jpeg():
    exif = Image.Exif()
    exif[0x010F] = "Nikon of Meng"
    exif[0x010E] = "Shanghai, third floor"
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, "JPEG", exif=exif.tobytes())
    return out.getvalue()


def told_and_armed(**saving):
    """A page with two photographs, a link, a form, a remark, a signature, and everything that nobody should bring."""
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(300, 400)).obj
    photograph = document.make_stream(camera_jpeg())
    packed = document.make_stream(zlib.compress(camera_jpeg()))
    for image, filters in ((photograph, Name.DCTDecode), (packed, Array([Name.FlateDecode, Name.DCTDecode]))):
        image.stream_dict = Dictionary(
            Type=Name.XObject, Subtype=Name.Image, Width=256, Height=256, ColorSpace=Name.DeviceRGB, BitsPerComponent=8
        )
        image["/Filter"] = filters
        image["/Metadata"] = document.make_stream(b"<x:xmpmeta>Shanghai</x:xmpmeta>")
    font = document.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
    # Names that somebody gave are not what they seem.
    page.Resources = Dictionary(XObject=Dictionary(JS=photograph, EF=packed), Font=Dictionary(AA=font))
    page.Contents = document.make_stream(
        b"q 100 0 0 100 20 20 cm /JS Do Q q 100 0 0 100 150 20 cm /EF Do Q BT /AA 24 Tf 20 300 Td (Character notes) Tj ET"
    )
    script = document.make_indirect(Dictionary(S=Name.JavaScript, JS="app.alert('hi')"))
    attached = Dictionary(
        Type=Name.Filespec, F="salary.xlsx", EF=Dictionary(F=document.make_stream(b"salary of everybody"))
    )
    box = Array([10, 10, 60, 60])
    remark = Dictionary(
        Type=Name.Annot, Subtype=Name.Text, Rect=box, T="Meng", Contents="more wit", M="D:20260101", A=script
    )
    link = Dictionary(
        Type=Name.Annot, Subtype=Name.Link, Rect=box, A=Dictionary(S=Name.URI, URI="https://card.example/")
    )
    launch = Dictionary(
        Type=Name.Annot, Subtype=Name.Link, Rect=box, A=Dictionary(S=Name.Launch, Win=Dictionary(F="calc.exe"))
    )
    clip = Dictionary(Type=Name.Annot, Subtype=Name.FileAttachment, Rect=box, FS=attached)
    signature = Dictionary(
        Type=Name.Sig, Name="Meng", Location="Shanghai", Contents=b"Meng" * 9, ByteRange=Array([0, 1, 2, 3])
    )
    field = document.make_indirect(
        Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Sig,
            Rect=box,
            T="sign here",
            V=signature,
            AA=Dictionary(K=script),
        )
    )
    page.Annots = Array([remark, link, launch, clip, field])
    page.AA = Dictionary(O=script)
    page.PieceInfo = Dictionary(Editor=Dictionary(Private="Meng"))
    root = document.Root
    root.OpenAction = script
    root.AcroForm = Dictionary(Fields=Array([field]), XFA=document.make_stream(b"<script>alert(1)</script>"))
    root.Names = Dictionary(
        JavaScript=Dictionary(Names=Array(["one", script])), EmbeddedFiles=Dictionary(Names=Array(["salary", attached]))
    )
    root.AF = Array([attached])
    outside = document.make_stream(b"")
    outside["/F"] = "//evil.example/share"
    root.Metadata = document.make_stream(b"<x:xmpmeta>Meng, Shanghai</x:xmpmeta>", Type=Name.Metadata, Subtype=Name.XML)
    root.Extra = Array([outside])
    document.trailer.Info = document.make_indirect(Dictionary(Author="Meng", Title="earlier draft", Producer="Nikon"))
    out = io.BytesIO()
    document.save(out, **saving)
    return out.getvalue()


def plain(pages=1):
    document = pikepdf.new()
    for _number in range(pages):
        document.add_blank_page()
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def freed(tmp_path, data):
    path = tmp_path / "brought"
    path.write_bytes(data)
    return pdf.free(path), path.read_bytes()


def looks(data):
    document = pypdfium2.PdfDocument(data)
    return [page.render().to_pil().tobytes() for page in document]


def everything_in(data):
    """All of its objects, unpacked, as one run of bytes."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as document:
        document.save(
            out,
            qdf=True,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
        )
    return out.getvalue()


class TestFree:
    @pytest.mark.parametrize("mode", [pikepdf.ObjectStreamMode.disable, pikepdf.ObjectStreamMode.generate])
    def test_takes_out_who_and_where_and_what_could_run_and_leaves_the_pages(self, tmp_path, mode):
        data = told_and_armed(object_stream_mode=mode)
        # Somebody's editor added to it, and something hangs behind.
        data += b"\n1 0 obj <</Author (Meng)>> endobj\nPK\x05\x06<script>alert(1)</script>"
        assert all(secret in everything_in(data) + data for secret in SECRETS[:2])
        found, clean = freed(tmp_path, data)
        assert found == {"had_active": True, "had_files": True}
        inside = everything_in(clean)
        assert [secret for secret in SECRETS if secret in inside or secret in clean] == []
        assert b"PK\x05\x06" not in clean
        with pikepdf.open(io.BytesIO(clean)) as document:
            assert "/Info" not in document.trailer
            links = [note.A.URI for note in document.pages[0].Annots if "/URI" in note.get("/A", {})]
            assert links == ["https://card.example/"]
            assert [str(note.Subtype) for note in document.pages[0].Annots] == ["/Text", "/Link", "/Link", "/Widget"]
            assert document.Root.AcroForm.Fields[0].T == "sign here"
        assert looks(clean) == looks(told_and_armed())

    def test_gives_equal_bytes_for_equal_files_and_changes_a_clean_one_no_more(self, tmp_path):
        first = freed(tmp_path, told_and_armed())[1]
        found, second = freed(tmp_path, told_and_armed())
        assert first == second
        assert freed(tmp_path, first) == ({"had_active": False, "had_files": False}, first)
        assert found["had_active"]

    def test_says_that_nothing_was_in_a_plain_one(self, tmp_path):
        assert freed(tmp_path, plain(3))[0] == {"had_active": False, "had_files": False}

    @pytest.mark.parametrize("password", ["", "open sesame"], ids=["owner", "reader"])
    def test_refuses_a_protected_one_with_what_to_do(self, tmp_path, password):
        data = told_and_armed(encryption=pikepdf.Encryption(owner="house", user=password))
        with pytest.raises(UnusableFileError, match="Save a copy without protection"):
            freed(tmp_path, data)

    @pytest.mark.parametrize(
        "data",
        [b"%PDF-1.7\n" + bytes(100), plain()[:200], b"%PDF-1.4\ntrailer <</Root 1 0 R>>", plain(0)],
        ids=["empty", "cut", "no-root", "no-page"],
    )
    def test_refuses_a_damaged_one_with_what_to_do(self, tmp_path, data):
        with pytest.raises(UnusableFileError, match="damaged"):
            freed(tmp_path, data)

    def test_gives_up_on_what_unpacks_to_more_than_it_may(self, tmp_path):
        packed = zlib.compress(bytes(200_000_000), 9)
        # All objects but the catalogue lie in a stream of 200 KB that says it holds 200 MB of them.
        body = b"%PDF-1.5\n"
        first = len(body)
        body += b"1 0 obj <</Type /ObjStm /N 2 /First 20 /Filter /FlateDecode /Length %d>> stream\n" % len(packed)
        body += packed + b"\nendstream endobj\n"
        second = len(body)
        rows = bytes(
            [1, *first.to_bytes(3), 0, 2, *(1).to_bytes(3), 0, 2, *(1).to_bytes(3), 1, 1, *second.to_bytes(3), 0]
        )
        body += b"4 0 obj <</Type /XRef /Size 5 /Index [1 4] /W [1 3 1] /Root 2 0 R /Length %d>> stream\n" % len(rows)
        body += rows + b"\nendstream endobj\nstartxref\n%d\n%%%%EOF" % second
        with pytest.raises(UnusableFileError):
            freed(tmp_path, body)

    def test_gives_up_on_more_objects_than_anybody_looks_through(self, tmp_path):
        document = pikepdf.new()
        document.add_blank_page()
        document.Root.Extra = Array([Array([Array([])] * 600)] * 600)
        out = io.BytesIO()
        document.save(out)
        with pytest.raises(UnusableFileError, match="too complex"):
            freed(tmp_path, out.getvalue())

    def test_walks_a_circle_once_and_lets_a_deep_nest_fall(self, tmp_path):
        document = pikepdf.new()
        document.add_blank_page()
        one, other = document.make_indirect(Dictionary()), document.make_indirect(Dictionary())
        one.Next, other.Next = other, one
        document.Root.Extra = one
        out = io.BytesIO()
        document.save(out)
        assert freed(tmp_path, out.getvalue())[0] == {"had_active": False, "had_files": False}
        deep = out.getvalue().replace(b"/Next", b"/Next" + b"[" * 100_000, 1)
        # The parser mends it: what is nested too deep is nothing.
        assert len(looks(freed(tmp_path, deep)[1])) == 1

    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=9)), min_size=1, max_size=9))
    def test_takes_or_refuses_whatever_comes(self, tmp_path, changes):
        data = bytearray(told_and_armed())
        for place, new in changes:
            at = place % len(data)
            data[at : at + len(new)] = new
        try:
            _found, clean = freed(tmp_path, bytes(data))
        except UnusableFileError:
            return
        assert b"/JavaScript" not in everything_in(clean)
        assert freed(tmp_path, clean)[0] == {"had_active": False, "had_files": False}
