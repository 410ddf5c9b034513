"""What certbot's deploy hook (assets/certificate_push.sh) left on the proxy: /var/lib/cowhand/certificate/state.

Lines `key=value`, printable ASCII, at most 300 characters a value, no secret in it; readable by everybody:

    version=1                    another number: not read
    result=ok | failed | running running: written when it begins; one that stays there for half an hour has died
    when=2026-11-27T16:00:00Z    when this was written (UTC, as all times)
    stage=- | settings | lineage | haproxy | push | state    what failed first
    status=0                     the hook's exit status
    remote=-                     exit status of ssh or of the deploy script; - when it was not asked
    reason=…                     in words; empty when all is well
    lineage=, name=, target=     as in the hook's settings
    fingerprint=, not_after=     SHA-256 of the leaf it was about (hex), and when that ends
    succeeded=, succeeded_fingerprint=    the last push that went all the way; empty: there was none
    since=                       the first failure after that; empty: there was none
    mailed=yes | no | -          whether a mail was handed to a mailer
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal, cast

from msgspec import Struct

from console.text import clean

STATE = "/var/lib/cowhand/certificate/state"
LONG = 1800
"""Seconds after which a push that is still running has died: all its limits together are shorter."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SUM = re.compile(r"[0-9a-f]{64}")

Result = Literal["ok", "failed", "running"]


class Push(Struct, frozen=True):
    """The last run of the hook. Times are None where there is none; texts are cleaned."""

    result: Result
    when: datetime | None = None
    stage: str = ""
    status: int | None = None
    remote: int | None = None
    reason: str = ""
    lineage: str = ""
    name: str = ""
    target: str = ""
    fingerprint: str = ""
    not_after: datetime | None = None
    succeeded: datetime | None = None
    succeeded_fingerprint: str = ""
    since: datetime | None = None
    mailed: str = ""

    def died(self, now: datetime) -> bool:
        """Whether it began and will not end any more."""
        return self.result == "running" and self.when is not None and (now - self.when).total_seconds() > LONG


def read(text: str) -> Push:
    """Read the state; raises ValueError with what is wrong with it."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found.setdefault(key, clean(value[:300]))
    if found.get("version") != "1":
        raise ValueError("is no state of a push that this cowhand can read")
    result = found.get("result", "")
    if result not in ("ok", "failed", "running"):
        raise ValueError("does not say how the push ended")
    return Push(
        cast(Result, result),
        when=_time(found.get("when", "")),
        stage=found.get("stage", ""),
        status=_number(found.get("status", "")),
        remote=_number(found.get("remote", "")),
        reason=found.get("reason", ""),
        lineage=found.get("lineage", ""),
        name=found.get("name", ""),
        target=found.get("target", ""),
        fingerprint=_sum(found.get("fingerprint", "")),
        not_after=_time(found.get("not_after", "")),
        succeeded=_time(found.get("succeeded", "")),
        succeeded_fingerprint=_sum(found.get("succeeded_fingerprint", "")),
        since=_time(found.get("since", "")),
        mailed=found.get("mailed", ""),
    )


def _time(text: str) -> datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,3}", text) else None


def _sum(text: str) -> str:
    return text if _SUM.fullmatch(text) else ""
