"""What was read of an estate's files, in one value."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from console.model import Published, Span
from console.site import Site
from console.sources.haproxy import Configuration
from console.topology.lanes import Routes

if TYPE_CHECKING:
    from console.sources.authorized_keys import Entry
    from console.sources.compose.env_file import EnvFile
    from console.sources.compose.files import Compose
    from console.sources.mounts import Mounts
    from console.sources.opentofu.files import Tofu
    from console.sources.settings import Settings
    from console.sources.shell import Script


class Sources(Struct, frozen=True, dict=True):
    """All that was read. `declared` holds the places of the site's `[[lane]]` entries, in their order.

    `environment` is mailcow.conf, `postfix` extra.cf, `dovecot` extra.conf; `texts` has each file by its name."""

    site: Site = Site()
    haproxy: Configuration | None = None
    tofu: Tofu | None = None
    compose: Compose | None = None
    scripts: tuple[Script, ...] = ()
    declared: tuple[Span, ...] = ()
    environment: EnvFile | None = None
    environment_file: str = ""
    postfix: Settings | None = None
    dovecot: Settings | None = None
    mounts: Mounts | None = None
    keys: tuple[Entry, ...] = ()
    texts: dict[str, str] = {}

    @property
    def published(self) -> tuple[Published, ...]:
        """The ports that the compose files publish."""
        return self.compose.published if self.compose else ()

    @cached_property
    def routes(self) -> Routes:
        """Where HAProxy's listeners lead, worked out when it is first asked for."""
        return Routes(self.haproxy.doors if self.haproxy else (), self.published)
