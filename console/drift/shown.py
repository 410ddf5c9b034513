"""How a difference is shown: what can hold a secret by its name only, unless that name is known to be harmless."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from functools import cache

from console.differences import Change, changes, groups, head
from console.mask import DOTS, mask
from console.masking import terms
from console.text import clean

ABOVE = 400
"""Lines above a change that are read for what it is part of: more than a key or a heredoc of these files has."""

Named = tuple[str, str]
"""A line as it may be shown, and the name that stands for it ("" when the line is shown itself)."""


def diff(
    before: Sequence[str],
    after: Sequence[str],
    one: str,
    other: str,
    path: str = "",
    found: Sequence[Change] | None = None,
) -> str:
    """Return a unified diff of two files at `path` without secrets; what may be one is told by its name.

    Without a path the lines are of our own making, and are shown. `found` is what `changes` gave for them, if asked."""
    read = _reader(path) if path else lambda line: (line, "")
    rows = [f"--- {one}", f"+++ {other}"]
    for group in groups(changes(before, after) if found is None else found, len(before), len(after)):
        first, last = group[0], group[-1]
        rows.append(head(group))
        mine, theirs = _shown(before, first[1], last[2], read), _shown(after, first[3], last[4], read)
        for kind, i, j, k, m in group:
            if kind == "equal":
                rows += [f" {line}" for line, _ in mine[i - first[1] : j - first[1]]]
            else:
                rows += _changed(mine[i - first[1] : j - first[1]], theirs[k - first[3] : m - first[3]])
    return "\n".join(clean(row.expandtabs(4), 400) for row in rows)


def _shown(lines: Sequence[str], start: int, stop: int, read: Callable[[str], Named]) -> list[Named]:
    """Return lines as they may be shown; those above are read too, for a line of a key looks like nothing by itself."""
    above = max(0, start - ABOVE)
    masked = mask("\n".join(lines[above:stop])).split("\n")[start - above :]
    found = []
    for text in masked:
        said, remark, _ = text.partition(" #")
        line = f"{said} # {DOTS}" if remark and said.strip() else text
        shown, name = read(line)
        found.append((f"{shown} {DOTS}", name) if name else (line, _masked(line) if DOTS in line else ""))
    return found


def _masked(line: str) -> str:
    """Return what a line is called that is shown in part: its key or its first word."""
    return line.split(None, 1)[0].rstrip(":=") if _name(line) == "a line" else _name(line)


def _changed(mine: Sequence[Named], theirs: Sequence[Named]) -> list[str]:
    """Return the rows of lines that differ: where both sides look the same they differ in what is not shown."""
    both = {*mine} & {each for each in theirs if each[1]}
    rows = [f"-{each[0]}" for each in mine if each not in both]
    rows += [f"+{each[0]}" for each in theirs if each not in both]
    return rows + [f"~ {name} differs" for name in dict.fromkeys(each[1] for each in theirs if each in both)]


# ── names that are known to be harmless ─────────────────────────────────────────────────────────────────────────────


@cache
def _key() -> re.Pattern[str]:
    return re.compile(r"([ \t>-]*+)(?:export[ \t]++)?[\"']?([A-Za-z_][\w.-]*+)[\"']?(?=[ \t]*+[:=]|[ \t]|$)")


def _name(line: str, commands: frozenset[str] = frozenset()) -> str:
    """Return the name that stands for a line: its key, or its first word when that is one of `commands`.

    Any other first word may be the secret itself, as in a heredoc."""
    if line.lstrip().startswith(("#", "//", ";")):
        return "a comment"
    found = _key().match(line)
    rest = line[found.end() :].lstrip() if found else ""
    given = rest.startswith(":") or (rest.startswith("=") and rest.strip("= "))
    if found and (given or found[2] in commands):
        return found[2]
    return "a line"


def _hidden(line: str, commands: frozenset[str] = frozenset()) -> Named:
    indent = line[: len(line) - len(line.lstrip())]
    name = _name(line, commands)
    return indent + name, name


def _value(line: str) -> str:
    """Return what stands behind a key, without its quotes."""
    found = _key().match(line)
    return line[found.end() :].strip(" \t=:").strip("\"'") if found else line.strip()


@cache
def _setting() -> re.Pattern[str]:
    """Settings of mailcow.conf that hold no secret: its generate_config.sh writes them, or its manual names them."""
    return re.compile(
        r"MAILCOW_HOSTNAME|MAILCOW_PASS_SCHEME|MAILCOW_BRANCH|MAILCOW_TZ|TZ|DBNAME|DBUSER|HTTP_REDIRECT|MAILDIR_GC_TIME"
        r"|COMPOSE_PROJECT_NAME|DOCKER_COMPOSE_VERSION|ACL_ANYONE|ADDITIONAL_SAN|AUTODISCOVER_SAN|LOG_LINES|MAILDIR_SUB"
        r"|ADDITIONAL_SERVER_NAMES|ALLOW_ADMIN_EMAIL_LOGIN|WATCHDOG_(?:NOTIFY_(?:EMAIL|BAN|START)|SUBJECT|VERBOSE"
        r"|EXTERNAL_CHECKS)|IPV[46]_NETWORK|SNAT6?_TO_SOURCE|API_ALLOW_FROM|SOGO_EXPIRE_SESSION|ACME_CONTACT|TRUSTED_PROXIES"
        r"|ACME_DNS_CHALLENGE|ONLY_MAILCOW_HOSTNAME|FTS_(?:HEAP|PROCS)|(?:SKIP|ENABLE|DISABLE|USE)_[A-Z0-9_]+"
        r"|[A-Z0-9_]+_(?:PORT|BIND|THRESHOLD)(?:_HAPROXY)?"
    )


@cache
def _switch() -> re.Pattern[str]:
    """Values of settings whose names are open: switches, numbers, addresses with ports."""
    return re.compile(r"(?i)[yn]|yes|no|true|false|on|off|auto|[\d.:,/\[\]a-f]*")


def _settings(line: str) -> Named:
    found = _key().match(line)
    if found is None or not _setting().fullmatch(found[2]):
        return _hidden(line)
    return (line, "") if not found[2].startswith(_OPEN) or _switch().fullmatch(_value(line)) else _hidden(line)


_OPEN = ("SKIP_", "ENABLE_", "DISABLE_", "USE_")

_HAPROXY = terms("""
    global defaults listen frontend backend peers resolvers userlist mailers cache ring log-forward program
    bind server mode timeout default_backend use_backend balance log maxconn daemon chroot nbthread nbproc
    default-server retries fullconn hash-type bind-process errorfile tcp-request tcp-response nameserver peer
    monitor-uri monitor-net dispatch disabled enabled id unique-id-format log-format pidfile ulimit-n cpu-map
    ca-base crt-base maxsslconn maxconnrate external-check hold accepted_payload_size resolve_retries rate-limit
    ssl-default-bind-ciphers ssl-default-bind-ciphersuites ssl-default-bind-options ssl-default-server-ciphers
    ssl-default-server-ciphersuites ssl-default-server-options ssl-server-verify tune.ssl.default-dh-param
    .if .elif .else .endif
""")  # fmt: skip

_HAPROXY_PAIRS = terms("""
    stats|socket stats|timeout stats|enable stats|uri stats|refresh stats|hide-version stats|show-legends
    option|tcplog option|httplog option|dontlognull option|forwardfor option|tcp-check option|smtpchk
    option|http-server-close option|redispatch option|tcpka option|clitcpka option|srvtcpka option|logasap
    option|log-health-checks option|abortonclose option|ssl-hello-chk option|http-keep-alive option|splice-auto
    tcp-check|connect tcp-check|expect tcp-check|comment http-check|expect http-check|connect
    email-alert|from email-alert|to
""")  # fmt: skip
"""Options and checks, by two words: others of the same first word may hold a secret."""


def _haproxy(line: str) -> Named:
    words = line.split(None, 2)
    if not words:
        return line, ""
    if words[0] in _HAPROXY or "|".join(words[:2]) in _HAPROXY_PAIRS:
        return line, ""
    indent = line[: len(line) - len(line.lstrip())]
    if words[0].startswith("#"):
        return indent + "# a comment", "a comment"
    # What is named is the second word of directives whose second word is a name.
    named = {"acl", "user", "setenv", "presetenv", "http-request", "http-response", "stats", "option", "tcp-check"}
    name = " ".join(words[:2]) if words[0] in named | {"http-check", "group", "resetenv"} else words[0]
    if not re.fullmatch(r"[a-z][a-z.-]*", words[0]):
        name = "a line"
    return indent + name, name


_COMPOSE = terms("""
    services networks volumes ports image restart hostname container_name network_mode ipv4_address ipv6_address
    depends_on expose profiles external driver name file version condition aliases dns mem_limit cpus stop_grace_period
    target published protocol host_ip mode type source read_only cap_add cap_drop privileged platform pull_policy
    include path extends service subnet gateway ipam config enable_ipv6 logging max-size max-file healthcheck interval
    retries start_period init tty stdin_open working_dir oom_kill_disable required ulimits soft hard
""")  # fmt: skip


@cache
def _item() -> re.Pattern[str]:
    """Items of lists that say what they are: ports, mounts, names of services and capabilities."""
    return re.compile(
        r"[\s-]*+[\"']?(?:(?:[\d.]{0,20}:)?[\d:.-]{1,40}(?:/(?:tcp|udp))?|(?:\$\{\w++(?::-[\d.:]*+)?\}:?|[\d.:-]++)++"
        r"|\.{0,2}/[\w./@-]*+:/[\w./@-]*+(?::[a-zA-Z,]{1,10})?|[\w-]+-mailcow|[A-Z_]{3,20})[\"']?"
    )


def _compose(line: str) -> Named:
    stripped = line.strip()
    found = _key().match(line)
    if not stripped or _item().fullmatch(line):
        return line, ""
    if found is None:
        return _hidden(line)
    name, rest = found[2], line[found.end() :].strip()
    if name in _COMPOSE or (rest == ":" and "=" not in line):
        return line, ""
    return _settings(line)


@cache
def _postfix_name() -> re.Pattern[str]:
    return re.compile(
        r"my\w+|relayhost|relay_domains|inet_\w+|smtpd?_(?:tls|helo|bind|client|recipient|sender|relay|data|banner|host"
        r"|address|upstream|forbid|discard|use|enforce)\w*|postscreen_\w+|message_\w+|mailbox_\w+|queue_\w+|bounce_\w+"
        r"|virtual_\w+|header_checks|body_checks|default_\w+|compatibility_level|maximal_\w+|minimal_\w+|delay_\w+|tls_\w+"
        r"|proxy_interfaces|recipient_delimiter|unknown_\w+|disable_\w+|always_\w+|milter_\w+|\w+_milters|debug_peer_\w+"
    )


@cache
def _dovecot_name() -> re.Pattern[str]:
    return re.compile(
        r"haproxy_\w+|protocols?|listen|login_\w+|imap_\w+|pop3_\w+|lmtp_\w+|mail_(?:max|plugins|location|uid|gid|debug|log)\w*"
        r"|ssl_(?:cert|key|ca|min_protocol|protocols|cipher_list|dh|prefer_server_ciphers)|ssl|auth_mechanisms|port|haproxy"
        r"|auth_(?:debug|verbose|cache)\w*|disable_plaintext_auth|address|mode|user|group|\w+_limit|service|inet_listener"
        r"|unix_listener|process_min_avail|namespace|inbox|separator|prefix|type|mail_home|verbose_\w+|log_\w+|\w+_log_path"
    )


def _named(pattern: Callable[[], re.Pattern[str]]) -> Callable[[str], Named]:
    def read(line: str) -> Named:
        found = _key().match(line)
        if not line.strip() or line.strip() in ("{", "}") or (found and pattern().fullmatch(found[2])):
            return line, ""
        return _hidden(line)

    return read


@cache
def _plain_command() -> re.Pattern[str]:
    """Commands of a script that are told nothing secret, for paths, references and switches are all they are given."""
    word = r"(?:-{1,2}[a-zA-Z][\w-]*+|[a-z][a-z_.-]*+|\d{1,4}|(?:[\w.@+-]*+/[\w./@%+-]*+|\$\{?\w++\}?)++)"
    return re.compile(
        r"\s*+(?:(?:set|umask|cd|chmod|chown|mkdir|install|cp|mv|rm|ln|rmdir|test|trap|docker|systemctl|mktemp|flock|sync"
        r"|cmp|diff|stat|touch|sleep|exit|return|shift|break|continue|cat|ls|wait|then|else|fi|do|done|esac|if|elif|while"
        r"|for|case|exec|true|false|\[{1,2}|!)(?=[\s;]|$)"
        rf"(?:\s*+(?:[|;&!]++|\d?[<>](?!<)&?|\]{{1,2}}|\"{word}\"|'{word}'|{word})(?=[\s;]|$))*+"
        r"|[{}]|#!.*+|\w++\(\)\s*+\{?|\))\s*+"
    )


_COMMANDS = terms("""
    curl wget ssh scp sshpass mysql mysqldump mariadb redis-cli echo printf cat tee docker openssl tailscale certbot
    systemctl export read sed awk grep install chpasswd sudo rsync tar gpg age incus tofu logger mail sendmail
    set test if elif while for exec mv cp chmod chown trap
""")


@cache
def _assigned() -> re.Pattern[str]:
    """NAME=PATH, NAME=NUMBER, NAME=$OTHER."""
    return re.compile(
        r"\s*+(?:export |local |readonly )?\w++=[\"']?(?:\$\{?\w++\}?)?(?:(?:/|\./)[\w./@-]*+|\d{0,5})[\"']?\s*+"
    )


def _script(line: str) -> Named:
    plain = not line.strip() or _plain_command().fullmatch(line) or _assigned().fullmatch(line)
    return (line, "") if plain else _hidden(line, _COMMANDS)


@cache
def _public_key() -> re.Pattern[str]:
    return re.compile(
        r"(?:(?:(?:no-)?(?:pty|port-forwarding|agent-forwarding|X11-forwarding|user-rc)|restrict|cert-authority|verify-required"
        r"|from=\"[\w.:/*,!?-]*+\"|command=\"[\w./-]*+\"|expiry-time=\"\d*+\"),?)*+\s*+"
        r"(?:ssh-\w++|ecdsa-sha2-\w++|sk-[\w@.-]++)\s++[A-Za-z0-9+/=]++(?:\s++[\w.@ +:-]*+)?"
    )


def _keys(line: str) -> Named:
    if not line.strip() or _public_key().fullmatch(line):
        return line, ""
    kind = re.search(r"(?:ssh-|ecdsa-|sk-)[\w@.-]+", line)
    name = f"a key of type {kind[0]}" if kind else "a line"
    return name, name


@cache
def _mount() -> re.Pattern[str]:
    """A line of fstab whose options are known: no credentials among them."""
    return re.compile(
        r"\s*+[\w=\"/.:@-]++\s++[\w/.\\-]++\s++[\w.,-]++(?:\s++(?:(?:defaults|ro|rw|nofail|noatime|relatime|nodev|nosuid|noexec|auto"
        r"|noauto|_netdev|user|nouser|sync|async|discard|bind|x-systemd\.[\w.-]++(?:=[\w./-]++)?|errors=[\w-]++|size=\w++|mode=\d++"
        r"|uid=\w++|gid=\w++|subvol=[\w/@-]++|compress=[\w:]++|commit=\d++|data=\w++|quota|usrquota|grpquota|pass=\d|nofail),?)++"
        r"(?:\s++\d){0,2})?\s*+"
    )


def _table(line: str) -> Named:
    if not line.strip() or _mount().fullmatch(line):
        return line, ""
    words = line.split()
    name = "a comment" if words[0].startswith("#") else f"the mount {words[1]}" if len(words) > 2 else "a line"
    return name, name


@cache
def _unit_name() -> re.Pattern[str]:
    return re.compile(
        r"RequiresMountsFor|Requires|Wants|BindsTo|PartOf|Before|After|Conflicts|Condition\w+|Assert\w+|Description|Type|Restart\w*|TimeoutS\w+|WantedBy"
    )


def _unit(line: str) -> Named:
    found = _key().match(line)
    sure = not line.strip() or (found is not None and _unit_name().fullmatch(found[2]))
    return (line, "") if sure or re.fullmatch(r"\s*\[\w+\]\s*", line) else _hidden(line)


def _reader(path: str) -> Callable[[str], Named]:
    """Return how the lines of a file on a host are shown, by the kind of file that it is."""
    name = posixpath.basename(path)
    if name in ("mailcow.conf", ".env") or name.endswith(".env"):
        return _settings
    if name.endswith(".cfg") or "/haproxy/" in path:
        return _haproxy
    if name.endswith((".yml", ".yaml")):
        return _compose
    if name.endswith(".cf") or "/postfix/" in path:
        return _named(_postfix_name)
    if "/dovecot/" in path:
        return _named(_dovecot_name)
    if name == "authorized_keys":
        return _keys
    if name == "fstab":
        return _table
    if "/systemd/" in path:
        return _unit
    return _script
