"""Colours as everybody shows them: a picture with a profile of its own is brought into sRGB, which needs none."""

import io
from functools import cache

from PIL import Image, ImageCms

_SHORTEST, _LONGEST = 128, 4_000_000
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK", "L": b"GRAY"}
# Red, green and blue as X, Y and Z, adapted to the white of profiles (IEC 61966-2-1).
_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
_NEAR = 0.004
_SPACE_AT = slice(16, 20)


def as_srgb(picture: Image.Image) -> Image.Image:
    """The picture in sRGB and without a profile; as it is where it has none, or one that does not fit or cannot be read.

    Whoever keeps the pixels and not the profile (a smaller size, another format) keeps the colours only so.
    """
    profile = picture.info.get("icc_profile")
    if not isinstance(profile, bytes) or not _SHORTEST <= len(profile) <= _LONGEST:
        return picture
    if picture.mode in {"P", "PA"}:
        has_alpha = picture.mode == "PA" or "transparency" in picture.info
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    if profile[_SPACE_AT] != _SPACES.get(picture.mode):
        return picture
    try:
        own = ImageCms.getOpenProfile(io.BytesIO(profile))
        if _is_srgb(own):
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        found = ImageCms.profileToProfile(picture, own, _srgb(), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    if found is None:
        return picture
    found.info.pop("icc_profile", None)
    return found


def _is_srgb(own: ImageCms.ImageCmsProfile) -> bool:
    """Whether it says that it is sRGB, and its primaries are: most pictures' is, and bringing it there takes time for nothing."""
    if "sRGB" not in ImageCms.getProfileDescription(own):
        return False
    found = (own.profile.red_colorant, own.profile.green_colorant, own.profile.blue_colorant)
    return all(
        one is not None and all(abs(a - b) < _NEAR for a, b in zip(one[0], wanted, strict=True))
        for one, wanted in zip(found, _PRIMARIES, strict=True)
    )


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
