"""Makes pictures and files for tests, through the services that people use."""

import io
from pathlib import Path

import pikepdf
from PIL import Image, PngImagePlugin
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.media import files, uploads
from studio.media.models import ImageGeneration, MediaFile, MediaPurpose, MediaUpload
from studio.providers.storage import LocalStorage, Storage


def make_storage(folder: Path) -> LocalStorage:
    """A storage of the test's own."""
    return LocalStorage(folder / "media")


def picture(
    width: int = 240,
    height: int = 360,
    *,
    color: tuple[int, int, int] = (90, 60, 140),
    kind: str = "PNG",
    texts: dict[str, str] | None = None,
    **options: object,
) -> bytes:
    """The bytes of a picture with a gradient in it; `texts` become PNG text chunks."""
    ramp = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", [ramp.point(lambda value, part=part: value * part // 255) for part in color])
    if kind == "PNG" and texts:
        info = PngImagePlugin.PngInfo()
        for key, value in texts.items():
            info.add_text(key, value)
        options["pnginfo"] = info
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def document(author: str = "") -> bytes:
    """The bytes of a PDF with one empty page; with an author its catalogue also runs a script."""
    made = pikepdf.new()
    made.add_blank_page()
    if author:
        made.trailer.Info = made.make_indirect(pikepdf.Dictionary(Author=author))
        made.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
    out = io.BytesIO()
    made.save(out, deterministic_id=True)
    return out.getvalue()


def make_portrait(
    session: Session, *, actor: Actor, storage: Storage, data: bytes | None = None, name: str = "portrait.png"
) -> MediaFile:
    """A portrait of the actor's."""
    return files.keep(
        session,
        actor=actor,
        storage=storage,
        data=data if data is not None else picture(),
        purpose=MediaPurpose.PORTRAIT,
        name=name,
    )


def make_upload(session: Session, *, owner: Actor, size: int = 1_000, name: str = "picture.png") -> MediaUpload:
    """A file of the owner's that is on its way."""
    upload = MediaUpload(owner_id=owner.user_id, name=name, size_bytes=size)
    session.add(upload)
    session.flush()
    return upload


def make_generation(session: Session, *, owner: Actor, prompt: str = "a keeper of the tower") -> ImageGeneration:
    """A request for pictures that nobody works on."""
    generation = ImageGeneration(user_id=owner.user_id, provider="local", model="typographic", prompt=prompt)
    session.add(generation)
    session.flush()
    return generation


def wav(seconds: float = 0.1) -> bytes:
    """Silence as a WAV file."""
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(int(16_000 * seconds) // 2 * 2))
    return out.getvalue()


def take(session, actor, storage, data, name="a"):
    """The file in the library, brought in one piece."""
    return uploads.take(session, actor=actor, storage=storage, data=data, name=name, quota=0)[0]


def send(session, actor, storage, data, *, part, now, name="a.png", quota=0):
    """The upload, brought in parts of `part` bytes and not finished."""
    upload = uploads.begin(session, actor=actor, name=name, size=len(data), quota=quota)
    for start in range(0, len(data), part):
        upload = uploads.receive(
            session,
            actor=actor,
            storage=storage,
            upload_id=upload.id,
            offset=start,
            data=data[start : start + part],
            quota=quota,
            now=now,
        )
    return upload
