"""Where a machine stores certificates: certbot's live folder, HAProxy's bundles, Mailcow's ssl folder.

One command looks at all of them. A private key never leaves its machine: of a key file the SHA-256 of its public half
is computed there, and of a bundle only the certificate blocks are printed."""

from __future__ import annotations

import re
from typing import Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from console.facts import certificates
from console.facts.command import run
from console.hosts.host import Host
from console.model import CertificatePlace
from console.text import clean

FOLDER = "/opt/mailcow-dockerized"
TIMEOUT = 30.0
MOST = 64
"""Files looked at on one machine; a machine with more says so."""

SCRIPT = r"""LC_ALL=C; export LC_ALL; root=$1; mailcow=$2; authority=$3; count=0; seen='|'
line='
'
exec </dev/null 2>/dev/null
digest() { [ -f "$1" ] && timeout 5 openssl pkey -in "$1" -passin pass: -pubout -outform DER | sha256sum; }
place() {
  [ -e "$2" ] || [ -L "$2" ] || return 0
  case $seen in *"|$2|"*) return 0 ;; esac
  case $2 in *"$line"*) return 0 ;; esac
  seen="$seen$2|"; count=$((count + 1))
  if [ "$count" -gt 64 ]; then [ "$count" -gt 65 ] || printf '@more\n'; return 0; fi
  printf '@file %s %s\n' "$1" "$2"
  if [ ! -f "$2" ] || [ ! -r "$2" ]; then printf '@unreadable\n'; return 0; fi
  if [ -e "$3" ] && [ ! -r "$3" ]; then printf '@dark %s\n' "$3"; fi
  head -c 1048576 -- "$2" | sed -n -e '/^@/d' -e '/PRIVATE KEY/,/-END [A-Z ]*PRIVATE KEY/d' \
    -e '/-BEGIN .*CERTIFICATE-/,/-END /p' | head -c 65536
  printf '\n@key %s\n' "$3"
  printf '@mode %s\n' "$(stat -L -c '%a %U' -- "$3")"
  command -v openssl >/dev/null || { printf '@noopenssl\n'; return 0; }
  printf '@digest %s\n' "$(digest "$3")"
  if [ -n "$authority" ]; then
    said=$(printf '%s\n' "$authority" | timeout 5 openssl verify -no_check_time -partial_chain \
      -CAfile /dev/stdin -untrusted "$2" "$2" 2>&1)
  else said=$(timeout 5 openssl verify -no_check_time -untrusted "$2" "$2" 2>&1); fi
  printf '@verify %s\n' "$(printf '%s' "$said" | tr '\n' ' ' | tail -c 300)"
}
dark() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  if [ -r "$1" ] && { [ ! -d "$1" ] || [ -x "$1" ]; }; then return 0; fi
  printf '@dark %s\n' "$1"
}
bundle() {
  near=$2
  while [ ! -e "$near" ] && [ -n "$near" ]; do near=${near%/*}; done
  dark "$near"
  [ -f "$2" ] || return 0
  if head -c 1048576 -- "$2" | grep -q 'PRIVATE KEY'; then place "$1" "$2" "$2"; else place "$1" "$2" "$2.key"; fi
}
ssl="$root$mailcow/data/assets/ssl"
for each in "$root"/etc/letsencrypt "$root"/etc/letsencrypt/live "$root"/etc/letsencrypt/live/* "$root"/etc/haproxy \
  "$root"/etc/haproxy/*.cfg "$root"/etc/haproxy/certs "$root"/etc/haproxy/ssl "$root$mailcow" "$root$mailcow/data" \
  "$root$mailcow/data/assets" "$ssl"; do dark "$each"; done
for each in "$root"/etc/letsencrypt/live/*/fullchain.pem; do place certbot "$each" "${each%/*}/privkey.pem"; done
cat "$root"/etc/haproxy/*.cfg | awk '{ sub(/(^|[ \t])#.*/, "") } $1 == "crt-base" { base = $2 "/" }
  $1 != "server" && $1 != "default-server" { for (i = 1; i < NF; i++) if ($i == "crt" || $i == "crt-list")
    print $i, ($(i + 1) ~ /^\// ? "" : base) $(i + 1) }' | {
  kind=haproxy
  while read -r how path; do
    path="$root$path"
    while [ "${path%/}" != "$path" ]; do path=${path%/}; done
    if [ -d "$path" ]; then
      dark "$path"
      for each in "$path"/*; do case $each in *.key | *.ocsp | *.issuer) ;; *) bundle haproxy "$each" ;; esac; done
    elif [ "$how" = crt ]; then bundle haproxy "$path"
    elif [ -f "$path" ]; then
      dark "$path"
      while read -r named rest; do
        case $named in '' | '#'*) ;; /*) bundle haproxy "$root$named" ;; *) bundle haproxy "${path%/*}/$named" ;; esac
      done <"$path"
    fi
    kind=spare
  done
  for each in "$root"/etc/haproxy/certs/*.pem "$root"/etc/haproxy/ssl/*.pem; do
    [ ! -f "$each" ] || bundle "$kind" "$each"
  done
}
place mailcow "$ssl/cert.pem" "$ssl/key.pem"
for each in "$ssl"/*/cert.pem; do case $each in */backups/*) ;; *) place sni "$each" "${each%/*}/key.pem" ;; esac; done
printf '@state\n'; head -c 8192 "$root/var/lib/cowhand/certificate/state"
for unit in certbot.timer snap.certbot.renew.timer; do
  printf '\n@timer %s\n' "$(systemctl show "$unit" -p NextElapseUSecRealtime --timestamp=unix)"
done
printf '@end\n'"""
"""No more than a MiB of a file is read: a container may have made one of many GiB, which sed would take for one line.

For `sh -c`: a folder that stands for "/" (tests), Mailcow's folder, an authority's certificates or ""."""

_REASONS = {
    "18": "self-signed",
    "19": "its issuer is not known there",
    "20": "its chain is incomplete, or its issuer is not known there",
    "21": "its chain is incomplete, or its issuer is not known there",
}
"""OpenSSL's X509_V_ERR_… → what it means to clients."""

_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of nothing: openssl could not read the key."""

UNREADABLE = 'cannot be read by this user; become = "sudo" may'

Kind = Literal["certbot", "haproxy", "mailcow", "sni"]


class Stored(Struct, frozen=True):
    """What a machine stores: its places, the state of the last push ("" for none), and certbot's next run (Unix time).

    `error` says why it could not be looked at, or not whole; "" when it was. `dark` are files and folders, of places or
    that tell of them, which its user may not read. `away` says that nobody got into the machine at all."""

    places: tuple[CertificatePlace, ...] = ()
    state: str = ""
    timer: float | None = None
    error: str = ""
    dark: tuple[str, ...] = ()
    away: bool = False


async def ask(host: Host, folder: str = FOLDER, authority: str = "", root: str = "") -> Stored:
    """Look at every place on `host`; failures are in the result, never raised.

    `authority` is the PEM text of an operator's own CA; `root` stands for "/" in tests."""
    answer = await run(host, ("sh", "-c", SCRIPT, "sh", root, folder, authority), TIMEOUT)
    if answer.error:
        return Stored(error=answer.error, away=answer.status < 0 and not answer.late)
    return parse(answer.text, host.name)


def parse(text: str, host: str) -> Stored:
    """Read the script's answer."""
    head, mark, rest = text.partition("\n@state\n") if not text.startswith("@state\n") else ("", "@", text[7:])
    error = "" if mark and rest.endswith("@end\n") else f"the list of certificates of {host} is not whole"
    places = []
    for part in re.split(r"(?m)^@file ", head)[1:]:
        line, _, body = part.partition("\n")
        kind, _, path = line.partition(" ")
        if kind == "spare":
            places.append(replace(_place("haproxy", host, path, body), unused=True))
        elif kind in ("certbot", "haproxy", "mailcow", "sni"):
            places.append(_place(cast(Kind, kind), host, path, body))
        if re.search(r"(?m)^@more$", body):
            error = f"{host} stores certificates in more than {MOST} files; the others were not looked at"
    timers = [float(found) for found in re.findall(r"(?m)^@timer NextElapseUSecRealtime=@(\d{1,12})", rest)]
    dark = tuple(dict.fromkeys(map(clean, re.findall(r"(?m)^@dark (.+)$", head))))
    return Stored(tuple(places), rest.partition("\n@timer")[0].strip(), min(timers, default=None), error, dark)


def _place(kind: Kind, host: str, path: str, body: str) -> CertificatePlace:
    told = dict(re.findall(r"(?m)^@(\w+) ?(.*)$", body))
    place = clean(path)
    if "unreadable" in told:
        return CertificatePlace(kind, host, place, error=UNREADABLE)
    try:
        chain = certificates.parse(body)
    except ValueError as error:
        return CertificatePlace(kind, host, place, error=str(error))
    mode, _, owner = told.get("mode", "").partition(" ")
    digest = told.get("digest", "")[:64]
    pair = None if digest in ("", _EMPTY) or not chain[0].public_key else digest == chain[0].public_key
    return CertificatePlace(
        kind,
        host,
        place,
        certificate=chain[0],
        chain=len(chain),
        issuers=chain[1:],
        trusted=_trusted(told.get("verify", "")),
        pair=pair,
        key_path=clean(told.get("key", "")),
        mode=mode if mode.isdecimal() else "",
        owner=clean(owner, 40),
    )


def _trusted(said: str) -> str | None:
    """What `openssl verify` means: "" for yes, a reason for no, None where it does not tell."""
    if found := re.search(r"\berror (\d+) at ", said):
        return _REASONS.get(found[1], f"openssl verify says error {found[1]}")
    return "" if said.rstrip().endswith(": OK") else None
