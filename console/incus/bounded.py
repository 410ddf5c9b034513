"""What an Incus that may be anybody's is allowed: so many bytes, so much time, and to answer for itself alone.

requests reads an answer whole, however long it is, unpacks what is packed, and asks wherever it is sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from console.errors import HostError, TimedOut

if TYPE_CHECKING:
    import requests

MOST = 32 << 20
"""Bytes of all answers of one session; 2,000 instances with their states have about 10 MiB."""

MESSAGE = 1 << 20
"""Bytes of one event."""


def bound(session: requests.Session, seconds: float) -> None:
    """Bound what `session.get` reads, until so many seconds from now; it raises `HostError` with the reason."""
    ends, left = time.monotonic() + seconds, MOST
    session.headers["Accept-Encoding"] = "identity"

    def get(url: str, **given: Any) -> requests.Response:
        nonlocal left
        response = session.request("GET", url, **{**given, "stream": True, "allow_redirects": False})
        if response.is_redirect:
            response.close()
            raise HostError("Incus: this is not its API (it sends us elsewhere)")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            response.close()
            raise HostError("Incus: this is not its API (it packs what it says)")
        parts = []
        for part in response.iter_content(65536):
            left -= len(part)
            if left < 0:
                response.close()
                raise HostError(f"Incus says more than {MOST >> 20} MiB, and is not listened to")
            if time.monotonic() > ends:
                response.close()
                raise TimedOut(f"Incus did not answer within {seconds:g} s")
            parts.append(part)
        response._content = b"".join(parts)
        return response

    session.get = get  # type: ignore[method-assign,assignment]
