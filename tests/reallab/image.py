"""A container image out of this machine's own installed packages: `python3 image.py | docker import - NAME`.

Nothing is fetched: the files are those of the packages below, of what they depend on (by `dpkg -L`), and conf/image."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGES = (
    "bash", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "hostname", "libc-bin", "mawk",
    "netbase", "procps", "sed", "supervisor", "syslog-ng-core", "socat",
    "postfix", "dovecot-imapd", "dovecot-pop3d", "dovecot-managesieved", "dovecot-sieve", "nginx-light",
)  # fmt: skip
NEEDLESS = {"dpkg", "perl", "debconf", "adduser", "cpio", "systemd", "init-system-helpers", "iproute2", "tzdata",
            "e2fsprogs", "libexttextcat-data", "ucf"}  # fmt: skip
"""What only installing needs, with all that these would bring in."""

UNREAD = re.compile(
    r"/(usr/share/(doc|man|locale|info|lintian|bash-completion|zoneinfo|perl)|usr/lib/(modules|systemd|udev)|etc/(cron|init)\S*"
    r"|boot|proc|sys|dev|run|usr/lib/python3[^/]*/(test|idlelib|lib2to3|ensurepip|unittest|distutils))(/|$)"
)
"""What nobody in the container reads."""

ALSO = (
    "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/ld.so.cache", "/etc/nsswitch.conf",
    "/etc/ssl/certs/ca-certificates.crt",
)  # fmt: skip
"""Files that installing made or that belong to no package."""

FOLDERS = (
    "proc", "sys", "dev", "run", "run/lock", "tmp", "var/tmp", "root", "etc/dovecot", "etc/ssl/mail",
    "opt/postfix/conf", "var/log", "var/log/nginx", "var/log/supervisor", "var/lib/nginx", "var/lib/dovecot",
    "var/lib/syslog-ng", "var/vmail", "var/cache",
)  # fmt: skip
MERGED = ("bin", "sbin", "lib", "lib64")
"""Links into /usr, as Debian has them."""

OWN = {
    "postfix.sh": "opt/postfix.sh",
    "nginx.sh": "opt/nginx.sh",
    "stop-supervisor.sh": "usr/local/sbin/stop-supervisor.sh",
    "postfix.conf": "etc/supervisor/postfix.conf",
    "dovecot.conf": "etc/supervisor/dovecot.conf",
    "nginx.conf": "etc/nginx/nginx.conf",
    "syslog-ng.conf": "etc/syslog-ng/syslog-ng.conf",
    "aliases": "etc/aliases",
    "mail-users": "etc/mail-users",
}
"""Files of conf/image, and where they go."""


def closure(wanted: Iterable[str]) -> set[str]:
    """Return the installed packages among `wanted` and among what they depend on, without the needless."""
    form = "${Package}\t${db:Status-Abbrev}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    depends: dict[str, str] = {}
    provided: dict[str, str] = {}
    for line in _said("dpkg-query", "-W", "-f", form).splitlines():
        name, status, provides, needs = line.split("\t")
        if status.startswith("ii"):
            depends[name] = needs
            provided |= {each: name for each in _names(provides) if each not in provided}
    found: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        name = name if name in depends else provided.get(name, "")
        if name and name not in found and name not in NEEDLESS:
            found.add(name)
            todo += [each for group in depends[name].split(",") for each in _names(group.replace("|", ","))]
    return found


def _names(relation: str) -> list[str]:
    """Names of "a (>= 1), b:any"."""
    return [re.split(r"[\s:(]", each.strip())[0] for each in relation.split(",") if each.strip()]


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def paths(packages: Iterable[str]) -> list[str]:
    """Return every path of the packages that is there and that somebody may read, parents first."""
    listed = {path for path in _said("dpkg", "-L", *sorted(packages)).splitlines() if path.startswith("/")}
    found = {_real(path) for path in listed if len(path) > 2}
    for folder in ("/usr/share/dovecot", "/etc/ssl/certs"):
        found |= {entry.path for entry in os.scandir(folder)} if os.path.isdir(folder) else set()
    found |= {os.path.realpath(path) for path in found if os.path.islink(path)}  # libraries by their true name
    found |= {path for link in _alternatives() if os.path.realpath(link) in found for path in (link, os.readlink(link))}
    found |= {each for path in found if path.endswith(".py") for each in _compiled(path)}
    found |= {path for path in ALSO if os.path.exists(path)}
    return sorted(path for path in found if os.path.lexists(path) and not UNREAD.match(path))


def _compiled(path: str) -> list[str]:
    """What Python compiled a file to when its package was installed: without it a container starts a second later."""
    folder, name = os.path.split(path)
    return [
        os.path.join(folder, "__pycache__"),
        os.path.join(folder, "__pycache__", f"{name[:-3]}.{sys.implementation.cache_tag}.pyc"),
    ]


def _real(path: str) -> str:
    """The path with its folder's links followed: a file that a package lists in /lib is in /usr/lib."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def _alternatives() -> Iterator[str]:
    for folder in ("/usr/bin", "/usr/sbin"):
        for entry in os.scandir(folder):
            if entry.is_symlink() and os.readlink(entry.path).startswith("/etc/alternatives/"):
                yield entry.path


def write(out: tarfile.TarFile, own: Path) -> None:
    """Write the whole tree into a tar."""
    known = set(MERGED) | set(FOLDERS) | set(OWN.values())
    for name in MERGED:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, f"usr/{name}"
        out.addfile(info)
    for path in paths(closure(PACKAGES)):
        if path.strip("/") not in known and not path.startswith(tuple(f"/{name}/" for name in MERGED)):
            out.add(path, arcname=path.lstrip("/"), recursive=False)
    for name in FOLDERS:
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755
        out.addfile(info)
    for source, target in OWN.items():
        out.add(own / source, arcname=target, filter=_roots)
    for source, target in (("main.cf.debian", "main.cf"), ("master.cf.dist", "master.cf")):
        if (there := Path("/usr/share/postfix") / source).exists():
            out.add(there, arcname=f"etc/postfix/{target}", filter=_roots)


def _roots(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


if __name__ == "__main__":
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as stream:
        write(stream, Path(__file__).parent / "conf" / "image")
