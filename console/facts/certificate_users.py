"""The containers that serve Mailcow's certificate or may replace it, as Docker has them, and when it was written.

Of a container's environment one setting is printed; the others, which hold passwords, stay on the machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from console.facts.certificate_places import FOLDER
from console.facts.command import run
from console.hosts.host import Host
from console.model import CertificateUser

TIMEOUT = 30.0

SCRIPT = r"""exec </dev/null 2>/dev/null
command -v docker >/dev/null || exit 0
for service in acme-mailcow dovecot-mailcow; do
  timeout 10 docker ps -aq --no-trunc --filter "label=com.docker.compose.service=$service" \
    --filter label=com.docker.compose.oneoff=False | head -n 4 | while read -r id; do
    printf '@container %s ' "$service"
    timeout 10 docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.FinishedAt}}' "$id"
    printf '\n@skips %s\n' "$(timeout 10 docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$id" |
      sed -n 's/^SKIP_LETS_ENCRYPT=//p' | tail -n 1 | head -c 40)"
  done
done
printf '@written %s\n@end\n' "$(stat -L -c %Y -- "$1/data/assets/ssl/cert.pem")"
"""
"""For `sh -c`: Mailcow's folder."""

_CONTAINER = re.compile(
    r"(?m)^@container (acme-mailcow|dovecot-mailcow) ([a-z]{1,20}) (-?\d{1,9}) "
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\n\n?@skips ?(.*)$"
)
_WRITTEN = re.compile(r"(?m)^@written (\d{1,12})$")


async def ask(host: Host, folder: str = FOLDER) -> tuple[CertificateUser, ...]:
    """Ask Docker on the mail host; nothing where it cannot be asked, for then nothing is known."""
    answer = await run(host, ("sh", "-c", SCRIPT, "sh", folder), TIMEOUT)
    return () if answer.error else parse(answer.text)


def parse(text: str) -> tuple[CertificateUser, ...]:
    """Read the script's answer; one that is not whole tells nothing."""
    if not text.endswith("@end\n"):
        return ()
    written = _WRITTEN.search(text)
    return tuple(
        CertificateUser(
            service, state, int(status), _when(ended), float(written[1]) if written else None, _skips(service, skips)
        )
        for service, state, status, ended, skips in _CONTAINER.findall(text)
    )


def _when(text: str) -> float | None:
    """A time of Docker's as Unix seconds; None for the year 1, which stands for never."""
    try:
        found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return found.timestamp() if found.year > 1 else None


def _skips(service: str, value: str) -> bool | None:
    """Whether acme-mailcow keeps away: Mailcow's script takes y or yes, in either case (acme.sh)."""
    return value.strip().lower() in ("y", "yes") if service == "acme-mailcow" else None
