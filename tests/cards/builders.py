"""Cards and evil files, built in code: no binary is committed."""

import base64
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image

from studio.cards import png
from studio.settings import ROOT

# Lorebooks, scenarios and a licence stand among the real cards.
CARDLESS_SAMPLES = {
    "Konosuba.json",
    "sillytavern-worldinfo.json",
    "LICENSE",
    "batch-scenarios.json",
    "enhanced-scenario.json",
    "tavernai-scenario.json",
    "tavernai-scenario.yaml",
    "2045科技实验室.json",
    "时空酒馆_命运交汇.json",
    "月影森林的秘密.json",
    "都市心理诊所.json",
    "魔法学院传奇.json",
}

SAMPLES = Path(os.environ.get("STUDIO_SAMPLES", ROOT.parent / "shared" / "data"))


def v1_document(**changes) -> dict:
    return {
        "name": "苏晚",
        "description": "{{char}} keeps a tavern between the times.",
        "personality": "calm, wise",
        "scenario": "An evening at the bar.",
        "first_mes": "又有新的客人来了。",
        "mes_example": "<START>\n{{user}}: Hello.\n{{char}}: Welcome.",
        **changes,
    }


def v2_document(**changes) -> dict:
    data = v1_document() | {
        "creator_notes": "Best with tea.",
        "system_prompt": "",
        "post_history_instructions": "",
        "alternate_greetings": ["Sit down.", "你好。"],
        "tags": ["tavern", "酒馆"],
        "creator": "someone",
        "character_version": "1.2",
        "extensions": {"depth_prompt": {"prompt": "calm", "depth": 4, "role": "system"}, "odd": [1, None, 2.5]},
        "character_book": book(),
    }
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": data | changes}


def v3_document(**changes) -> dict:
    document = v2_document()
    document |= {"spec": "chara_card_v3", "spec_version": "3.0"}
    for each in document["data"]["character_book"]["entries"]:
        each["use_regex"] = False
    document["data"] |= {
        "group_only_greetings": ["All of you!"],
        "nickname": "晚晚",
        "creator_notes_multilingual": {"zh": "配茶。"},
        "source": ["https://cards.example/1"],
        "creation_date": 1_700_000_000,
        "modification_date": 1_700_000_001,
        **changes,
    }
    return document


def book(**changes) -> dict:
    return {
        "name": "Tavern",
        "scan_depth": 4,
        "recursive_scanning": False,
        "extensions": {},
        "entries": [entry(), entry(keys=["door", "门"], insertion_order=2, id=8, position="after_char")],
        **changes,
    }


def entry(**changes) -> dict:
    return {
        "keys": ["wine"],
        "content": "The wine remembers.",
        "extensions": {"depth": 4},
        "enabled": True,
        "insertion_order": 1,
        "id": 7,
        **changes,
    }


def as_json(document) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def ihdr(width: int = 2, height: int = 3) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def idat() -> bytes:
    return chunk(b"IDAT", zlib.compress(b"\0\1\2\3\4\5\6" * 3))


def png_file(*extra: bytes, header: bytes | None = None, after: bytes = b"") -> bytes:
    """A picture of 2 × 3 pixels with `extra` chunks before its image data and `after` behind it."""
    return png.SIGNATURE + (header or ihdr()) + b"".join(extra) + idat() + after + chunk(b"IEND", b"")


def text(keyword: str, value: bytes) -> bytes:
    return chunk(b"tEXt", keyword.encode() + b"\0" + value)


def packed_text(keyword: str, value: bytes) -> bytes:
    return chunk(b"zTXt", keyword.encode() + b"\0\0" + zlib.compress(value, 9))


def international_text(keyword: str, value: bytes, *, is_packed: bool) -> bytes:
    body = zlib.compress(value) if is_packed else value
    return chunk(b"iTXt", keyword.encode() + (b"\0\1\0" if is_packed else b"\0\0\0") + b"en\0\0" + body)


def chara(document, keyword: str = "chara") -> bytes:
    return text(keyword, base64.b64encode(as_json(document)))


def png_card(document) -> bytes:
    return png_file(chara(document, "ccv3" if document.get("spec") == "chara_card_v3" else "chara"))


def charx(document, members: dict[str, bytes] | None = None, *, encoded: bytes | None = None) -> bytes:
    return archive({"card.json": encoded or as_json(document)} | (members or {}))


def archive(members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as written:
        for path, body in members.items():
            written.writestr(path, body)
    return buffer.getvalue()


def byaf_parts(**character) -> dict:
    """Manifest, character and scenarios as Backyard's specification gives them."""
    return {
        "manifest": {
            "schemaVersion": 1,
            "createdAt": "2025-06-06T12:00:00Z",
            "characters": ["characters/c1/character.json"],
            "scenarios": ["scenarios/s1.json", "scenarios/s2.json"],
            "author": {"name": "someone", "backyardURL": "https://backyard.example/someone"},
        },
        "character": {
            "schemaVersion": 1,
            "id": "c1",
            "name": "晚晚",
            "displayName": "苏晚",
            "isNSFW": False,
            "persona": "{character} keeps a tavern.",
            "createdAt": "2025-06-06T12:00:00Z",
            "updatedAt": "2025-06-06T12:00:00Z",
            "loreItems": [{"key": "wine, 酒", "value": "It remembers {user}."}],
            "images": [{"path": "images/a.png", "label": "Portrait"}, {"path": "images/b.png", "label": "smile"}],
            **character,
        },
        "scenarios": [
            {
                "schemaVersion": 1,
                "title": "Evening",
                "narrative": "A bar.",
                "formattingInstructions": "Answer briefly.",
                "firstMessages": [{"characterID": "c1", "text": "Welcome, {user}."}],
                "exampleMessages": [{"characterID": "c1", "text": "#{user}: Hello\n#{character}: Sit."}],
                "temperature": 0.7,
                "grammar": None,
                "messages": [{"type": "human", "text": "a private chat"}],
            },
            {"schemaVersion": 1, "narrative": "A garden.", "firstMessages": [{"characterID": "c1", "text": "Tea?"}]},
        ],
    }


def byaf_file(parts: dict | None = None, *, images: dict[str, bytes] | None = None) -> bytes:
    """An archive as Backyard writes it."""
    parts = parts or byaf_parts()
    manifest = parts["manifest"]
    members = {"manifest.json": as_json(manifest), manifest["characters"][0]: as_json(parts["character"])}
    members |= {path: as_json(one) for path, one in zip(manifest["scenarios"], parts["scenarios"], strict=False)}
    return archive(members | {f"characters/c1/images/{name}": data for name, data in (images or {}).items()})


def symlink_archive(document) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr("card.json", as_json(document))
        info = zipfile.ZipInfo("assets/main.png")
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        written.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def picture(kind: str, size: tuple[int, int] = (20, 30), **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (120, 40, 200)).save(buffer, kind, **options)
    return buffer.getvalue()


def webp_card(document, *, spelling: str = "plain", order: str = "<") -> bytes:
    """A WebP with a card in its EXIF UserComment, as old TavernAI wrote it."""
    body = as_json(document)
    if spelling == "bytes":
        body = ",".join(map(str, body)).encode()
    comment = b"ASCII\0\0\0" + body
    inner = struct.pack(order + "H", 1) + struct.pack(order + "HHII", 0x9286, 7, len(comment), 44) + b"\0" * 4
    outer = struct.pack(order + "H", 1) + struct.pack(order + "HHII", 0x8769, 4, 1, 26) + b"\0" * 4
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + outer + inner
    return picture("WEBP", exif=b"Exif\0\0" + tiff + comment)


def image_data(data: bytes) -> list[bytes]:
    """The IDAT chunks of a PNG, in order."""
    return [data[part.start : part.start + part.length] for part in png.walk(data).chunks if part.kind == b"IDAT"]


def sample_files() -> list[Path]:
    """The real files on this machine, cards or not; none where the folder is not here."""
    return sorted([*SAMPLES.glob("cards/*/*"), *SAMPLES.glob("tavernai/cards/*")])


def sample_cards() -> list[Path]:
    """The real files that hold a card."""
    return [path for path in sample_files() if path.name not in CARDLESS_SAMPLES]
