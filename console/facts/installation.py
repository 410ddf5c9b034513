"""What Mailcow's installer would find on a machine, and what of an installation is there: one script that only reads.

It needs nothing but a POSIX shell, head and tail; what a machine lacks is told. Git fetches nothing that a repository
lacks: who owns the folder says by which command. Each line is a word, a tab, and its
value. What a program of the machine says is cut before the shell keeps it: one may talk without end."""

from __future__ import annotations

import re

from msgspec import Struct

from console.facts.command import run
from console.hosts.host import Host
from console.mask import mask
from console.text import clean, count

PROJECT = "mailcowdockerized"
"""The name of Mailcow's compose project (COMPOSE_PROJECT_NAME of generate_config.sh)."""

MARK = ".cowhand-generating"
"""The file in Mailcow's folder that stands there while generate_config.sh runs."""

UPDATING = r"(^|[ /])updat[e]\.sh( |$)"
"""What `pgrep -f` looks for to see Mailcow's update.sh; it does not match its own command line."""

TIMEOUT = 60.0
"""Seconds for all of it: docker is asked half a dozen times."""

# the programs are those that Mailcow's scripts look for (_modules/scripts/core.sh)
SCRIPT = r"""
folder=$1 project=$2
say() { printf '%s\t%s\n' "$1" "$(printf %s "$2" | tr '\n\t' '  ')"; }
start() { head -c 4096; }
end() { tail -c 4096; }
each() { head -c 131072 | while IFS= read -r line || [ -n "$line" ]; do [ -z "$line" ] || say "$1" "$line"; done; }
say root "$(id -u)"
for tool in openssl curl docker git awk sha1sum grep cut jq; do
  command -v "$tool" >/dev/null || say lacking "$tool"
done
say apt "$(command -v apt-get)"
say memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)"
if [ -e /etc/timezone ]; then say zone "$(start </etc/timezone)"
else say zone "$(readlink /etc/localtime | sed -n 's|^.*zoneinfo/||p')"; fi
say updating "$(pgrep -af "$3" | start)"
say route6 "$(ip -6 route show default 2>/dev/null | start)"
ss -Hltnp 2>/dev/null | each socket
if [ -L "$folder" ]; then say kind link
elif [ ! -e "$folder" ]; then say kind none
elif [ ! -d "$folder" ]; then say kind file
elif [ -e "$folder/docker-compose.yml" ] && [ -e "$folder/generate_config.sh" ]; then say kind mailcow
elif [ -z "$(ls -A "$folder" | start)" ]; then say kind empty
else say kind other; fi
export GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1
[ ! -d "$folder/.git" ] || say version "$(git -C "$folder" describe --tags --always 2>/dev/null | start)"
[ ! -e "$folder/mailcow.conf" ] || say settings "$(stat -c %a "$folder/mailcow.conf")"
[ ! -e "$folder/.cowhand-generating" ] || say half yes
for key in data/assets/ssl/key.pem data/assets/ssl-example/key.pem; do
  [ ! -e "$folder/$key" ] || say key "$(stat -c %a "$folder/$key") $key"
done
say system "$(. /etc/os-release 2>/dev/null && printf %s "$ID $VERSION_CODENAME" | start)"
command -v docker >/dev/null || {
  say offered "$(apt-cache policy docker.io 2>/dev/null | start | sed -n 's/^  Candidate: *//p' | start)"
  exit 0
}
engine=$( { docker version --format '{{.Server.Version}}' 2>/dev/null || echo refused; } | end)
case $engine in
*refused) engine= ; say silent "$(docker version --format '{{.Server.Version}}' 2>&1 | end | tail -n 1)" ;;
*) say engine "$engine" ;;
esac
say compose "$(docker compose version --short 2>/dev/null | start)"
[ -n "$engine" ] || exit 0
docker info --format '{{json .SecurityOptions}}' | start | grep -q name=rootless && say rootless yes
docker ps -a --filter "label=com.docker.compose.project=$project" \
  --format '{{.Label "com.docker.compose.service"}} {{.State}} {{.Status}}' | each container
docker ps -a --filter "label=com.docker.compose.project=$project" \
  --format '{{.Label "com.docker.compose.project.working_dir"}}' | head -c 131072 | sort -u | each place
docker volume ls -q --filter "name=${project}_" | each volume
docker images --format '{{.Repository}}:{{.Tag}}' | each image
[ -e "$folder/mailcow.conf" ] && [ -e "$folder/docker-compose.yml" ] || exit 0
compose() { docker compose --project-directory "$folder" --project-name "$project" config "$1"; }
compose --services | each service
compose --images | each wanted
complaint=$( { compose -q 2>&1 || echo refused; } | end)
case $complaint in *refused) say complaint "${complaint%refused}" ;; esac
exit 0
"""

_SOCKET = re.compile(
    r"LISTEN\s+\d+\s+\d+\s+(\S+):(\d{1,5})\s+\S+(?:\s+users:\(\(\"(.{0,15}?)\",pid=(\d{1,9}),fd=\d+\)[,)])?"
)
_VERSION = re.compile(r"(?:\d+:)?v?(\d{1,9})\.\d+")


class Socket(Struct, frozen=True):
    """A TCP port that something listens on: `address` "" for all of them, and the program with its process."""

    address: str
    port: int
    program: str = ""
    pid: int = 0


class Container(Struct, frozen=True):
    """A container of Mailcow's project: its service, docker's word for its state, and how long, with its health."""

    service: str
    state: str
    status: str = ""

    @property
    def runs(self) -> bool:
        """Whether it runs, and is not being restarted."""
        return self.state == "running"


class Installation(Struct, frozen=True):
    """All that was told. `kind` is what is at the folder: none, empty, mailcow, other, file, link.

    `memory` is in KiB, 0 where it is not told; `settings` is the mode of mailcow.conf, 0 when it is not there; `half`:
    generate_config.sh was started by us and did not end; `wanted` are the images of the compose file, `images` those
    that are there; `silent` why docker does not answer, `complaint` what compose has against the files; `system` is the
    distribution and its release ("debian bookworm"), `offered` the docker.io that it has, told while there is none."""

    root: bool = False
    lacking: tuple[str, ...] = ()
    apt: bool = False
    memory: int = 0
    zone: str = ""
    updating: str = ""
    routed6: bool = False
    sockets: tuple[Socket, ...] = ()
    kind: str = "none"
    version: str = ""
    settings: int = 0
    half: bool = False
    keys: tuple[tuple[int, str], ...] = ()
    engine: str = ""
    silent: str = ""
    compose: str = ""
    rootless: bool = False
    containers: tuple[Container, ...] = ()
    places: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    complaint: str = ""
    system: str = ""
    offered: str = ""
    error: str = ""

    def at_least(self, major: int) -> bool:
        """Whether docker's engine has that version."""
        return (major_of(self.engine) or 0) >= major

    @property
    def absent(self) -> tuple[str, ...]:
        """The images that are still to be fetched."""
        there = set(self.images)
        return tuple(dict.fromkeys(each for each in self.wanted if _tagged(each) not in there))

    @property
    def stopped(self) -> tuple[str, ...]:
        """The services without a container that runs."""
        running = {each.service for each in self.containers if each.runs}
        return tuple(each for each in self.services if each not in running)


def major_of(version: str) -> int | None:
    """The first number of a version, a package's too (5:27.1.1-1~debian.12); None where there is none."""
    match = _VERSION.match(version)
    return int(match[1]) if match else None


async def ask(host: Host, folder: str) -> Installation:
    """Ask a machine; a failure is in the result, never raised."""
    answer = await run(host, ("sh", "-c", SCRIPT, "sh", folder, PROJECT, UPDATING), TIMEOUT)
    return Installation(error=answer.error) if answer.error else parse(answer.text)


def parse(text: str) -> Installation:
    """Read the script's lines; what is none of them is left out."""
    said: dict[str, list[str]] = {}
    for line in text.split("\n"):
        word, tab, value = line.partition("\t")
        if tab:
            # Programs cite files and commands in their complaints: mailcow.conf's lines are passwords.
            value = mask(value) if word in ("silent", "complaint", "updating") else value
            said.setdefault(word, []).append(clean(value.strip(), 400))
    one = {word: values[-1] for word, values in said.items()}
    return Installation(
        root=one.get("root") == "0",
        lacking=tuple(said.get("lacking", ())),
        apt=bool(one.get("apt")),
        memory=_number(one.get("memory", "")),
        zone=one.get("zone", ""),
        updating=one.get("updating", ""),
        routed6=bool(one.get("route6")),
        sockets=tuple(socket for each in said.get("socket", ()) if (socket := _socket(each)) is not None),
        kind=one.get("kind", "none"),
        version=one.get("version", ""),
        settings=_mode(one.get("settings", "")),
        half="half" in one,
        keys=tuple((_mode(each.partition(" ")[0]), each.partition(" ")[2]) for each in said.get("key", ())),
        engine=one.get("engine", ""),
        silent=one.get("silent", ""),
        compose=one.get("compose", ""),
        rootless="rootless" in one,
        containers=tuple(map(_container, said.get("container", ()))),
        places=tuple(said.get("place", ())),
        volumes=tuple(said.get("volume", ())),
        images=tuple(said.get("image", ())),
        services=tuple(said.get("service", ())),
        wanted=tuple(said.get("wanted", ())),
        complaint=one.get("complaint", ""),
        system=one.get("system", ""),
        offered=one.get("offered", ""),
    )


def _socket(line: str) -> Socket | None:
    match = _SOCKET.match(line)
    if match is None:
        return None
    address = match[1].strip("[]").partition("%")[0]
    return Socket(
        "" if address in ("0.0.0.0", "::", "*") else address, int(match[2]), match[3] or "", int(match[4] or 0)
    )


def _container(line: str) -> Container:
    service, _, rest = line.partition(" ")
    state, _, status = rest.partition(" ")
    return Container(service, state, status)


def _tagged(image: str) -> str:
    """The name as `docker images` writes it: with its tag."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _number(text: str) -> int:
    return count(text) or 0


def _mode(text: str) -> int:
    return int(text, 8) if re.fullmatch(r"[0-7]{1,4}", text) else 0
