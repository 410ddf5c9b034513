"""What was read of an estate's files, in one value."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from console.model import Published, Span
from console.site import Site
from console.sources.haproxy import Configuration
from console.sources.haproxy.routes import doors
from console.topology.containers import edges, forwarders, is_foreign, is_mailcow, on_host, own_addresses, sharing
from console.topology.daemons import listeners
from console.topology.lanes import Routes
from console.topology.listeners import Ports, assumed, told
from console.topology.machines import NAME, alike, recognised

if TYPE_CHECKING:
    from console.sources.authorized_keys import Entry
    from console.sources.compose.env_file import EnvFile
    from console.sources.compose.files import Compose
    from console.sources.dovecot import InetListener
    from console.sources.mounts import Mounts
    from console.sources.opentofu.files import Tofu
    from console.sources.postfix import Service
    from console.sources.settings import Settings
    from console.sources.shell import Script


class Sources(Struct, frozen=True, dict=True):
    """All that was read. `declared` holds the places of the site's `[[lane]]` entries, in their order.

    `environment` is mailcow.conf, `postfix` extra.cf, `dovecot` extra.conf with its `inet` listeners, `master` the
    services of master.cf; `texts` has each file by its name, `lists` those that HAProxy's conditions name, as written
    there; `folder` is the name of the site file's folder."""

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
    inet: tuple[InetListener, ...] = ()
    master: tuple[Service, ...] | None = None
    lists: dict[str, str] = {}
    folder: str = ""

    @cached_property
    def named(self) -> bool:
        """Whether anything given says that Mailcow stands behind: a file of it, a host for it, or its name somewhere.

        HAProxy's files alone, without its name, may lead to any mail server. What a comment says of it is no sign: it
        may say that Mailcow is gone."""
        files = (self.environment, self.postfix, self.dovecot, self.master)
        return (
            any(each is not None for each in files)
            or is_mailcow(self.compose)
            or any(host.role == "mail" for host in self.site.hosts.values())
            or any(NAME.search(text) for text in (self.folder, *self.texts))
            or any(NAME.search(text) and NAME.search(_said(file, text)) for file, text in self.texts.items())
        )

    @property
    def published(self) -> tuple[Published, ...]:
        """The ports that the compose files publish."""
        return self.compose.published if self.compose else ()

    @cached_property
    def foreign(self) -> bool:
        """Whether the compose files set up another mail server than Mailcow."""
        return self.postfix is None and is_foreign(self.compose, self.environment)

    @cached_property
    def ports(self) -> Ports:
        """Who answers on each port of the VM, worked out of all files."""
        tofu = self.tofu
        outer = edges(self.compose)
        return Ports(
            [entry for entry in self.published if entry.service not in outer],
            assumed(self.compose, self.environment, self.environment_file),
            tofu.forwards if tofu else (),
            [address for each in tofu.instances for address in each.addresses] if tofu else (),
            listeners(
                self.postfix,
                self.master,
                self.inet,
                self.environment,
                self.compose,
                self.foreign,
                self.named,
            ),
            told(self.compose),
            own_addresses(self.compose, self.environment),
            on_host(self.compose),
            sharing(self.compose),
            self._recognised() if self.named and not self.foreign else frozenset(),
            bool(forwarders(self.compose)),
            alike(self.haproxy.proxies) if self.haproxy and self.named and not self.foreign else frozenset(),
        )

    def _recognised(self) -> frozenset[str]:
        machines = self.tofu.instances if self.tofu else ()
        pinned = machines[0].addresses if len(machines) == 1 else ()
        return recognised(self.haproxy.proxies, self.published, pinned) if self.haproxy else frozenset()

    @cached_property
    def readings(self) -> tuple[Sources, ...]:
        """The sources with HAProxy's files read in each way that they may be meant; themselves alone, mostly."""
        if self.haproxy is None or self.haproxy.question is None:
            return (self,)
        return tuple(replace(self, haproxy=each) for each in self.haproxy.readings)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that clients ask for: the site's, else the certificate's; none when nobody told us."""
        if self.site.public.names:
            return tuple(name for name in self.site.public.names if not _ADDRESS.fullmatch(name))
        return (self.site.certificate.name,) if self.site.certificate else ()

    @cached_property
    def routes(self) -> Routes:
        """Where HAProxy's listeners lead, worked out when it is first asked for."""
        if self.haproxy is None:
            return Routes((), self.ports)
        proxies = self.haproxy.proxies
        vague = any(proxy.routing.open_bind or any(server.open for server in proxy.servers) for proxy in proxies)
        return Routes(doors(proxies, self.names, self.lists), self.ports, vague)


_COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|//)[^\n]*")
_BLOCK = re.compile(r"/\*.*?\*/", re.DOTALL)
"""A comment of several lines, in OpenTofu's files."""


def _said(file: str, text: str) -> str:
    """Return a file's text without its comments."""
    if file.endswith((".tf", ".tofu")):
        text = _BLOCK.sub("", text)
    return _COMMENT.sub("", text)


_ADDRESS = re.compile(r"[\d.]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")
