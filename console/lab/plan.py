"""What the lab is made from: its own site file, the files it names, and the lanes that they give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from console.lab.network.addresses import GATEWAY, MAIL, PROXY

if TYPE_CHECKING:
    from console.model import Lane, Topology


CONFIGURATION = "/etc/haproxy/haproxy.cfg"
"""Where the proxy's HAProxy has its file."""


def files(seed: bool = False, empty: bool = False) -> dict[tuple[str, str], bytes]:
    """The files in use on the lab's machines, by machine and path: what the site's own files say, where they belong.

    `seed`: the set-up is half-way, without the override and without Dovecot's trust. `empty`: nothing is
    installed on the VM or the VPS, and nothing pushes a certificate."""
    folder = site_file().parent
    places = {
        (PROXY, CONFIGURATION): "haproxy.cfg",
        (PROXY, "/etc/letsencrypt/renewal-hooks/deploy/certbot-deploy-hook.sh"): "certbot-deploy-hook.sh",
        (MAIL, "/usr/local/bin/mailcow-cert-deploy.sh"): "mailcow-cert-deploy.sh",
        (MAIL, "/opt/mailcow-dockerized/docker-compose.override.yml"): "docker-compose.override.yml",
    }
    found = {place: (folder / name).read_bytes() for place, name in places.items()}
    found[MAIL, "/opt/mailcow-dockerized/mailcow.conf"] = b"MAILCOW_HOSTNAME=mail.benoit.jp.net\nHTTP_REDIRECT=n\n"
    trust = "" if seed else f"haproxy_trusted_networks = {GATEWAY}\n"
    found[MAIL, "/opt/mailcow-dockerized/data/conf/dovecot/extra.conf"] = (
        f"# Dovecot, beside Mailcow's own\n{trust}".encode()
    )
    if seed:
        del found[MAIL, "/opt/mailcow-dockerized/docker-compose.override.yml"]
    return {} if empty else found


def site_file() -> Path:
    """The site file of the lab, as shipped."""
    import assets

    return Path(assets.__file__).parent / "lab" / "site.toml"


def plan(text: str | None = None) -> Topology:
    """Read the lab's own haproxy.cfg and `[[lane]]` entries; what its other files say decides nothing that runs here.

    They are left unread for the start's sake, and so that a lab writes no grammar cache. `text` is another haproxy.cfg
    than the one that is shipped."""
    from console.estate.site_file import load
    from console.model import Span
    from console.sources import haproxy
    from console.topology.build import build
    from console.topology.sources import Sources

    file = site_file()
    told = load(file)
    shipped = [(name, (file.parent / name).read_text()) for name in told.sources.haproxy]
    configuration = haproxy.parse_files(shipped if text is None else [(CONFIGURATION, text)])
    return build(Sources(told, configuration, declared=(Span(file.name, 1),) * len(told.lane)))


def lanes(text: str) -> tuple[Lane, ...]:
    """The lanes that a haproxy.cfg gives here, those that are declared included."""
    return plan(text).lanes
