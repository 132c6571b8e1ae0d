"""JSON read by a quick parser where it reads as Python's own does, and by Python's own elsewhere."""

import json
import re
from typing import Any

import orjson

# Eighteen digits fit into 64 bits in any case; of numbers beyond these orjson makes floats.
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * 19
# NUL, and halves of surrogate pairs.
_ODD_ESCAPES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def loads(payload: str | bytes) -> Any:
    """As `json.loads`, exact for whole numbers of any length; several times as quick for what PostgreSQL stores."""
    data = payload.encode(errors="surrogatepass") if isinstance(payload, str) else bytes(payload)
    if reads_alike(data):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
    return json.loads(payload)


def reads_alike(payload: bytes) -> bool:
    """Whether orjson, where it takes these bytes, makes the same of them as Python's own parser."""
    return not (
        _MANY_DIGITS in payload.translate(_DIGITS_AS_ZEROS)
        or (b"\\u" in payload and _ODD_ESCAPES.search(payload) is not None)
    )
