"""What `site.toml` says, as values; `estate/site_file.py` reads and writes the file."""

from __future__ import annotations

from msgspec import Struct

from console.model import Protocol, ProxyVersion, Role


class SourceFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """Paths as written, relative to the site file; a folder stands for its `*.cfg`, `*.tf`, … in C order.

    Without `mailcow_conf`, the mailcow.conf or .env beside the first compose file counts, as it does for compose; so
    do Mailcow's own data/conf/postfix/extra.cf and data/conf/dovecot/extra.conf without `postfix_conf` and
    `dovecot_conf`, beside `mailcow_conf` where no compose file is named. `mounts` are the VM's fstab and
    drop-ins, `authorized_keys` is the VM's too."""

    haproxy: tuple[str, ...] = ()
    opentofu: tuple[str, ...] = ()
    compose: tuple[str, ...] = ()
    mailcow_conf: str | None = None
    deploy_script: str | None = None
    deploy_hook: str | None = None
    postfix_conf: str | None = None
    dovecot_conf: str | None = None
    authorized_keys: str | None = None
    mounts: tuple[str, ...] = ()


class HostEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A machine and how to reach it: `ssh` (an alias of OpenSSH's configuration), `via` + `incus`, or `local`."""

    role: Role
    ssh: str | None = None
    local: bool = False
    via: str | None = None
    incus: str | None = None
    become: str | None = None


class DeclaredLane(Struct, frozen=True, forbid_unknown_fields=True):
    """A lane whose listener is in none of the given files."""

    port: int
    protocol: Protocol
    target: str
    name: str | None = None
    proxy_protocol: ProxyVersion | None = None
    tls: str | None = None


class PublicEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """The names that clients connect to: each A and AAAA address is probed, with the name as SNI."""

    names: tuple[str, ...] = ()


class CertificateEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """The name on the certificate that is copied to the VM; `authority` is a file of CA certificates to trust, too."""

    name: str
    authority: str | None = None


class IncusEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """How the API of Incus is reached: by default its socket on the host with role = "hypervisor", or on this machine.

    `url` is that of its HTTPS listener, with the client's `certificate` and `key`, and the `server_certificate` that
    alone is accepted; `socket` is another place of the socket, `project` the only one that is looked at ("": all)."""

    url: str | None = None
    certificate: str = "~/.config/incus/client.crt"
    key: str = "~/.config/incus/client.key"
    server_certificate: str | None = None
    socket: str | None = None
    project: str = ""


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole `site.toml`; paths in it are relative to the folder it is in."""

    sources: SourceFiles = SourceFiles()
    name: str | None = None
    hosts: dict[str, HostEntry] = {}
    public: PublicEntry = PublicEntry()
    lane: tuple[DeclaredLane, ...] = ()
    certificate: CertificateEntry | None = None
    incus: IncusEntry | None = None
    deployed: dict[str, str] = {}
    """File as [sources] names it → "host:path" where it is in use, for files that are not at the usual path."""


class SiteListed(Struct, frozen=True):
    """One of the operator's own sites: its name, the path of its site file, and what it says of itself.

    One that is not `usable` says why."""

    name: str
    path: str
    words: str
    usable: bool = True
