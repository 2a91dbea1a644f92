"""JSON in and out: the one place where Python values become bytes.

Rules:
- What was encoded here can be decoded here: non-finite numbers and nesting deeper than the
  decoder reads are refused when writing, not found out by the handler.
- A refusal is a ValueError that names the field.
"""

from typing import Any, Final

from pydantic_core import from_json, to_json

# The smallest hard limits among the stores, a MongoDB document and MariaDB's default packet, are
# 16 MiB. PyMySQL writes each byte as two hexadecimal digits, so a half would not fit with the rest
# of the row beside it; a quarter does.
JSON_BYTES_MAX: Final = 4 * 1024 * 1024
# pydantic's decoder gives up at 200 levels; fewer brackets than that cannot nest so deep.
_BRACKETS_HARMLESS: Final = 190


def encode_json(value: object, field: str, limit_bytes: int = JSON_BYTES_MAX) -> bytes:
    """`value` as compact UTF-8 JSON.

    Raises ValueError naming `field`: not representable, non-finite, too deep, or longer than
    `limit_bytes`.
    """
    try:
        encoded = to_json(value)
        if _is_suspicious(encoded):
            from_json(encoded, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{field} cannot be written as JSON: {error}") from error
    if len(encoded) > limit_bytes:
        raise ValueError(
            f"{field} is {len(encoded)} bytes of JSON, more than the {limit_bytes} allowed"
        )
    return encoded


def decode_json(encoded: bytes) -> Any:
    """The value that `encode_json` wrote."""
    return from_json(encoded)


def _is_suspicious(encoded: bytes) -> bool:
    # Decoding everything that was just encoded would double the cost; these few searches
    # find all that could fail, and a harmless string that looks like it is only decoded once.
    return (
        b"NaN" in encoded
        or b"Infinity" in encoded
        or (
            len(encoded) > _BRACKETS_HARMLESS
            and encoded.count(b"[") + encoded.count(b"{") > _BRACKETS_HARMLESS
        )
    )
