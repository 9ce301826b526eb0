"""The board: a picture that a visitor chooses, uploads or draws, for the items that begin with one. Its script is board.js."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from engines import worlds
from playground import gallery
from playground.explore import repair, uploads
from playground.ui.items import answered, uri

LIMITS = {"max_bytes": uploads.MAX_BYTES, "held_out": gallery.HELD_OUT}  # what board.js must know


def functions() -> list[Callable[..., Any]]:
    """What board.js calls on the server."""

    def picture(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_picture(query.get("picture"), worlds.load(query.get("world"))))

    def upload(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_upload(query.get("content"), worlds.load(query.get("world"))))

    return [picture, upload]


def pack_picture(code: Any, world: Any) -> dict[str, Any]:
    """A picture by its code, and as a data URI. Raises ValueError."""
    return {"picture": code, "uri": uri(repair.decode_picture(code, world))}


def pack_upload(content: Any, world: Any) -> dict[str, Any]:
    """The picture in a file, given in base64, as its code, a data URI and notes. Raises ValueError."""
    if not isinstance(content, str) or len(content) > 4 * uploads.MAX_BYTES // 3 + 4:
        raise ValueError(f"The file is too large; at most {uploads.MAX_BYTES // 10**6} MB can be read.")
    try:
        image, notes = uploads.read(base64.b64decode(content), world)
    except binascii.Error:
        raise ValueError("The file did not arrive whole; choose it again.") from None
    return {**pack_picture(repair.encode_picture(image), world), "notes": notes}
