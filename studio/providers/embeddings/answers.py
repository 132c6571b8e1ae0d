"""From the bytes of an embeddings answer to rows in the order that was asked for, or a reason why not."""

import base64
import binascii
import json
from typing import Any

import numpy as np

from studio.providers.embeddings.protocol import Vectors
from studio.providers.errors import ProviderBrokenError


def vectors_from(body: bytes, *, count: int, dimensions: int) -> Vectors:
    """Return a (count, dimensions) array ordered by each item's `index`.

    Reads numbers and base64 (little-endian float32) alike: not every server
    knows the latter. A server that numbers nothing is taken to have kept the
    order. Raises ProviderBrokenError.
    """
    items = _items(body)
    if len(items) != count:
        raise ProviderBrokenError(
            "The embeddings server answered %(given)s vectors for %(asked)s texts; none of them was kept.",
            given=len(items),
            asked=count,
        )
    rows = np.empty((count, dimensions), dtype=np.float32)
    for position, item in zip(_order(items), items, strict=True):
        row = _row(item.get("embedding"))
        if row is None:
            raise ProviderBrokenError("The embeddings server answered something that is no vector; nothing was kept.")
        if len(row) != dimensions:
            raise ProviderBrokenError(
                "The embeddings server answered vectors of %(given)s dimensions where %(asked)s are set; "
                "nothing was kept. Check STUDIO_EMBEDDINGS_DIMENSIONS.",
                given=len(row),
                asked=dimensions,
            )
        rows[position] = row
    return rows


def _items(body: bytes) -> list[dict[str, Any]]:
    answer: object = None
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        # Falls through: raised below, outside, so that the error does not drag the whole body along.
        readable = False
    else:
        readable = True
    if not readable:
        # A proxy's error page or a body that was cut where the connection could not tell: worth another try.
        raise ProviderBrokenError("The embeddings server did not answer with JSON.", is_transient=True)
    items = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ProviderBrokenError(
            "The embeddings server's answer holds no vectors. Check that STUDIO_EMBEDDINGS_URL speaks OpenAI's protocol."
        )
    return items


def _order(items: list[dict[str, Any]]) -> list[int]:
    order = [item.get("index") for item in items]
    if all(index is None for index in order):
        return list(range(len(items)))
    numbers = [index for index in order if isinstance(index, int)]
    if sorted(numbers) != list(range(len(items))):
        raise ProviderBrokenError(
            "The embeddings server answered some texts twice and others not at all; nothing was kept."
        )
    return numbers


def _row(value: object) -> Vectors | None:
    """Return the vector that an item holds, or None where it holds none."""
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32, copy=False)
        if isinstance(value, list):
            # A number beyond float32 becomes infinite here, which the wrapper refuses in plain words.
            with np.errstate(over="ignore"):
                row = np.asarray(value, dtype=np.float64).astype(np.float32)
            return row if row.ndim == 1 else None
    except (ValueError, TypeError, OverflowError, binascii.Error):
        return None
    return None
