"""Variants of pictures a second: the studio's own way on two threads against plain Pillow in a loop, on the same files."""

import io
import threading
from collections.abc import Sequence
from itertools import cycle

from PIL import Image, ImageOps

from studio.media import pixels, rules
from studio.media.models import VariantKind
from tests.benchmarks.harness import Context, Result, faster, in_turns

_THREADS = 2
"""As many as there are worker processes by default; decoding, scaling and encoding let go of Python's lock."""


def run(context: Context) -> list[Result]:
    """Portraits as people bring them: PNG of 1 to 2 megapixels, and photographs as JPEG of 6 megapixels."""
    with context.step("pictures"):
        sets = {
            "PNG, 1024 x 1536": _pictures(context.size(6, 2), (1024, 1536), "PNG"),
            "JPEG, 2000 x 3000": _pictures(context.size(6, 2), (2000, 3000), "JPEG"),
        }
    results = []
    for name, files in sets.items():
        rates = in_turns(
            {"ours": lambda files=files: _ours(files), "pillow": lambda files=files: _plain(files)},
            rounds=context.size(5, 1),
            seconds=context.size(6, 0),
        )
        results.append(
            faster(
                f"variants of {name}",
                ours=rates["ours"],
                peer=rates["pillow"],
                peer_name="plain Pillow in a loop",
                goal=1.5,
                unit="variants/s",
            )
        )
    return results


def _ours(files: Sequence[bytes]) -> int:
    """What the job does with each file, on as many threads as there are workers."""
    waiting = list(files)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                data = waiting.pop()
            _, picture = pixels.opened(data, shown=pixels.needed(None))
            pixels.variants(picture, list(VariantKind))

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(files) * len(VariantKind)


def _plain(files: Sequence[bytes]) -> int:
    """As tutorials have it: each file is opened once, turned upright, and fitted or scaled for each size."""
    for data in files:
        with Image.open(io.BytesIO(data)) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        for kind, box in rules.VARIANTS.items():
            size = (box.width, box.height)
            if kind is VariantKind.COVER:
                small = picture.copy()
                small.thumbnail(size, Image.Resampling.LANCZOS)
            else:
                small = ImageOps.fit(picture, size, Image.Resampling.LANCZOS, centering=(0.5, rules.FACES_AT))
            small.save(io.BytesIO(), "WEBP", quality=box.quality)
    return len(files) * len(rules.VARIANTS)


def _pictures(count: int, size: tuple[int, int], kind: str) -> list[bytes]:
    made = []
    for number, hue in zip(range(count), cycle(range(0, 256, 37)), strict=False):
        # Soft shapes with grain on them: neither a plain colour nor pure noise is like a portrait.
        soft = Image.effect_noise((24, 36), 90 + number).resize(size, Image.Resampling.BICUBIC)
        grain = Image.effect_noise(size, 12)
        layer = Image.blend(soft, grain, 0.25)
        picture = Image.merge("HSV", (layer.point(lambda value, hue=hue: (value + hue) % 256), soft, layer)).convert(
            "RGB"
        )
        out = io.BytesIO()
        picture.save(out, kind, quality=90) if kind == "JPEG" else picture.save(out, kind)
        made.append(out.getvalue())
    return made
