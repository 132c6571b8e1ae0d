"""What is no card, or is built to harm, is refused in one sentence before memory is spent."""

import base64
import io
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from studio.cards import limits
from studio.cards.errors import (
    CardError,
    DamagedError,
    EncryptedError,
    LorebookError,
    NotACardError,
    PictureError,
    TooLargeError,
    UnsafeArchiveError,
)
from studio.cards.reader import read_card
from tests.cards import builders as make

DOCUMENT = make.v3_document()
GOOD_PNG = make.png_card(DOCUMENT)
DEEP = b'{"name":"A","first_mes":' + b"[" * 10_000 + b"]" * 10_000 + b"}"


def zeros_png(kind: str) -> bytes:
    """A text chunk of some hundred kilobytes that inflates to 300 MB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()
    if kind == "zTXt":
        return make.png_file(make.chunk(b"zTXt", b"chara\0\0" + packed))
    return make.png_file(make.chunk(b"iTXt", b"ccv3\0\1\0\0\0" + packed))


def zeros_charx() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        written.writestr("card.json", make.as_json(DOCUMENT))
        with written.open("assets/zeros.bin", "w") as member:
            for _ in range(190):
                member.write(bytes(1_000_000))
    return buffer.getvalue()


def lying_charx() -> bytes:
    """An archive whose directory states ten bytes for a member of fifty megabytes."""
    data = bytearray(make.archive({"card.json": make.as_json(DOCUMENT), "zeros.bin": bytes(50_000_000)}))
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 10)
    return bytes(data)


def many_members(count: int) -> bytes:
    members = {"card.json": make.as_json(DOCUMENT)} | {f"assets/{number}": b"" for number in range(count)}
    return make.archive(members, method=zipfile.ZIP_STORED)


def duplicate_members() -> bytes:
    data = make.archive({"card.json": make.as_json(DOCUMENT), "card.jsoM": make.as_json(DOCUMENT)})
    return data.replace(b"card.jsoM", b"card.json")


def encrypted_members() -> bytes:
    data = bytearray(make.charx(DOCUMENT))
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


class TestReadCard:
    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (make.png_file(), NotACardError),
            (make.picture("JPEG"), NotACardError),
            (make.picture("WEBP"), NotACardError),
            (GOOD_PNG[: len(GOOD_PNG) // 2], DamagedError),
            (GOOD_PNG[:-1], DamagedError),
            (GOOD_PNG[:-12], DamagedError),
            (GOOD_PNG[:8], DamagedError),
            (make.png_file(make.text("chara", b"%%% not base64 %%%")), DamagedError),
            (make.png_file(make.text("chara", base64.b64encode(b'{"name":"\xff\xfe"}'))), DamagedError),
            (make.png_file(make.text("chara", base64.b64encode(b"{broken"))), DamagedError),
            (make.png_file(make.chunk(b"zTXt", b"chara\0\0broken")), DamagedError),
            (make.png_file(make.text("ccv3", base64.b64encode(b"rcc||rccv1||abc"))), EncryptedError),
            (make.png_file(make.chara(DOCUMENT), header=make.ihdr(10_000, 10_000)), TooLargeError),
            (make.png_file(make.chara(DOCUMENT), header=make.ihdr(0, 3)), DamagedError),
            (DEEP, TooLargeError),
            (make.png_file(make.text("chara", base64.b64encode(DEEP))), TooLargeError),
            (b'{"name":"' + b"a" * limits.JSON_BYTES + b'","first_mes":""}', TooLargeError),
            (b'{"name":"A","first_mes":"","x":[' + b"[]," * 300_000 + b"0]}", TooLargeError),
            (b'{"name":"\xc3("}', DamagedError),
            (b'{"name":"A', DamagedError),
            (b"[1,2]", NotACardError),
            (b"null", NotACardError),
            (b"", NotACardError),
            (b"   ", NotACardError),
            (b"\0\1\2\3", NotACardError),
            (b"<!doctype html><html></html>", NotACardError),
            (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', PictureError),
            (b'{"name":"A"}', NotACardError),
            (b'{"name":"A","worldInfos":[]}', NotACardError),
            (b'{"spec":"lorebook_v3","data":{"entries":[]}}', LorebookError),
            (b'{"type":"risu","ver":1,"data":[]}', LorebookError),
            (b'{"entries":{"0":{"key":["a"]}}}', LorebookError),
            (b'{"lorebookVersion":5,"entries":[]}', LorebookError),
            (make.archive({"other.json": b"{}"}), NotACardError),
            (make.charx(DOCUMENT)[:200], DamagedError),
            (make.charx(DOCUMENT, {"../../evil.png": b"x"}), UnsafeArchiveError),
            (make.charx(DOCUMENT, {"/etc/evil": b"x"}), UnsafeArchiveError),
            (make.charx(DOCUMENT, {"a\\..\\b": b"x"}), UnsafeArchiveError),
            (make.charx(DOCUMENT, {"C:/evil": b"x"}), UnsafeArchiveError),
            (make.charx(DOCUMENT, {"inner.zip": make.archive({"a": b"b"})}), UnsafeArchiveError),
            (make.symlink_archive(DOCUMENT), UnsafeArchiveError),
            (duplicate_members(), UnsafeArchiveError),
            (encrypted_members(), EncryptedError),
            (make.archive({"card.json": make.as_json(DOCUMENT)}, method=zipfile.ZIP_LZMA), UnsafeArchiveError),
            (many_members(10_000), TooLargeError),
            (many_members(501), TooLargeError),
            (make.as_json(make.v2_document(tags=["t"] * 2_001)), TooLargeError),
            (make.as_json(make.v2_document(alternate_greetings=["t"] * 101)), TooLargeError),
            (make.as_json(make.v2_document(character_book={"entries": [{}] * 2_001})), TooLargeError),
        ],
    )
    def test_refuses_in_one_sentence(self, data, error):
        with pytest.raises(error) as refused:
            read_card(data)
        sentence = str(refused.value)
        assert sentence.endswith(".")
        assert "%(" not in sentence
        assert "\n" not in sentence

    def test_names_the_byte_that_is_not_utf_8(self):
        with pytest.raises(DamagedError, match="byte 9"):
            read_card(b'{"name":"\xff"}')

    @pytest.mark.parametrize(
        "build",
        [lambda: zeros_png("zTXt"), lambda: zeros_png("iTXt"), zeros_charx, lying_charx, lambda: many_members(10_000)],
        ids=["zTXt", "iTXt", "CHARX", "CHARX with a false size", "CHARX with 10,000 files"],
    )
    def test_spends_little_memory_on_a_bomb(self, build):
        data = build()
        tracemalloc.start()
        try:
            with pytest.raises(CardError):
                read_card(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # A payload may take its 8 MB (11 MB as base64) and a copy of it; the bombs hold 50 to 300 MB.
        assert peak < 4 * limits.JSON_BYTES

    def test_spends_little_memory_on_many_small_values(self):
        data = b'{"name":"A","first_mes":"","x":[' + b"[]," * 2_500_000 + b"0]}"
        tracemalloc.start()
        try:
            with pytest.raises(TooLargeError):
                read_card(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4 * limits.JSON_BYTES

    @pytest.mark.parametrize(
        "payload",
        [
            b'{"a":"' + rb"\"" * 1_000_000,
            b"{" + b'"' * 1_000_001,
            b'{"a":"' + b"\\" * 2_000_001,
        ],
    )
    def test_reads_hostile_strings_in_one_pass(self, payload):
        # A scan that goes back at every quote would never come to the refusal.
        with pytest.raises(CardError):
            read_card(payload)
