"""OpenTofu's encodings and hashes: JSON, base64, URLs, MD5, SHA-256."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from urllib.parse import quote_plus

from console.sources.opentofu.functions.values import LARGEST, Wrong, certain, huge, of_texts, plain
from console.sources.opentofu.values import Value


def jsonencode(arguments: list[Value]) -> str:
    """Return a value as OpenTofu's JSON."""
    plain = json.dumps(_tidy(certain(arguments[0])), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", plain)


def _tidy(value: Value) -> Value:
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if isinstance(value, dict):
        return {key: _tidy(each) for key, each in value.items()}
    return plain(value) if isinstance(value, float) else value


def _jsondecode(whole: str) -> Value:
    if len(whole) > LARGEST:
        huge()
    try:
        found: Value = json.loads(whole)
    except (ValueError, RecursionError):
        raise Wrong("this is not JSON") from None
    return found


def _decode64(whole: str) -> Value:
    try:
        return base64.b64decode(whole, validate=True).decode()
    except ValueError:
        raise Wrong("this is not base64 of a text") from None


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "base64decode": of_texts(_decode64),
    "base64encode": of_texts(lambda whole: base64.b64encode(whole.encode()).decode()),
    "jsondecode": of_texts(_jsondecode),
    "jsonencode": jsonencode,
    "md5": of_texts(lambda whole: hashlib.md5(whole.encode(), usedforsecurity=False).hexdigest()),
    "sha256": of_texts(lambda whole: hashlib.sha256(whole.encode()).hexdigest()),
    "urlencode": of_texts(quote_plus),
}
