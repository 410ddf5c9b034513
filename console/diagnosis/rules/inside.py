"""Whether Mailcow's own services still get an answer from its daemons: they send no PROXY header to anybody."""

from __future__ import annotations

from collections.abc import Iterator

from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Span, Topology
from console.text import join_words
from console.topology.daemons import POSTFIX, YES, Listener
from console.topology.sources import Sources

_CALLERS: dict[int, tuple[str, str]] = {
    588: ("", "Sieve cannot send, nor can SOGo"),
    590: ("", "quarantine notices are not sent"),
    589: ("watchdog", "the watchdog takes Postfix for dead and restarts it"),
    143: ("SOGo", "SOGo cannot read mail"),
    4190: ("SOGo", "SOGo cannot change filters"),
    993: ("watchdog", "the watchdog takes Dovecot for dead and restarts it"),
}
"""Port → who dials it, where mailcow.conf can switch that off, and what fails (master.cf, sogo.conf, watchdog.sh,
quarantine_notify.py, dovecot.conf's submission_host)."""


@static("CH100")
def header_on_inner_port(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A setting has a daemon wait for a PROXY header on a port that Mailcow's own services dial without one."""
    if sources.foreign or not sources.named:
        return
    found: dict[Span, list[Listener]] = {}
    runs = {""}
    if sources.environment is not None:  # without mailcow.conf nobody knows which of them run
        values = sources.environment.values
        runs |= {"watchdog"} if values.get("USE_WATCHDOG", "y").lower() in YES else set()
        runs |= {"SOGo"} if values.get("SKIP_SOGO", "n").lower() not in YES else set()
    for port, (who, _) in _CALLERS.items():
        each = sources.ports.daemons.get(port) if who in runs else None
        if each is not None and each.header == "wanted" and each.why is not None:
            found.setdefault(each.why, []).append(each)
    for why, waiting in found.items():
        postfix = waiting[0].service == POSTFIX
        daemon, own = ("Postfix", "10025, 10465 and 10587") if postfix else ("Dovecot", "10143, 10993 and 14190")
        ports = join_words([str(each.port) for each in waiting])
        yield finding(
            "CH100",
            f"{daemon} waits for a PROXY header on {ports}, where Mailcow's own services send none:"
            f" {join_words([_CALLERS[each.port][1] for each in waiting])}",
            why,
            hop="service",
            remedy=f"take it out there, and have HAProxy dial Mailcow's own PROXY ports ({own})",
        )
