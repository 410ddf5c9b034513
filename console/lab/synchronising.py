"""Stands for the way of a renewed certificate to Mailcow: sshd, its keys, certbot's hook, the deploy script.

No shell runs here: each command of the flow is known whole, and does to the lab's files what it does on a host."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from console.lab.machines.done import Done
from console.lab.machines.pushing import (
    ACME,
    ALLOWED,
    CONF,
    DEPLOY,
    FOLDER,
    FOLDERS,
    HOOKS,
    HOST_KEY,
    KEY,
    KNOWN,
    SETTINGS,
    STORE,
    Pushing,
    blob,
    host_key,
    lay,
)
from console.lab.network.addresses import GATEWAY, MAIL, PROXY, TAILNET
from console.sources import authorized_keys, certificate_push, x509

if TYPE_CHECKING:
    from console.lab.rehearsal import Rehearsal
    from console.model import Certificate


def run(lab: Rehearsal, machine: str, argv: tuple[str, ...]) -> Done | None:
    """Run a command of the sync; None when it is none."""
    if machine not in FOLDERS:
        return None
    pushing, files = lab.pushing, lab.files
    match argv:
        case ("sh", "-c", script, *rest) if (known := _script(machine, script)) is not None:
            return known(lab, tuple(rest[1:]))
        case ("sh", "-c", script, "sh", path, _, _) if script.startswith("umask 077; mkdir -- "):
            pushing.folders[machine].add(path)
            return Done(0)
        case ("true",):
            return Done(0)
        case ("certbot", "renew", "--cert-name", _, *words) if machine == PROXY:
            return _renew(lab, words)
        case ("mkdir", "-p", "--", path) if path == STORE:
            pushing.folders[machine].add(path)
            return Done(0)
        case ("rmdir", "--", path) if path in pushing.folders[machine] - FOLDERS[machine]:
            pushing.folders[machine].discard(path)
            return Done(0)
        case ("test", kind, path) if pushing.writable(machine, path) or _ours(pushing, machine, path):
            return Done(0 if _there(lab, machine, kind, path) else 1)
        case ("test", "-x", "/usr/sbin/sshd") if machine == MAIL:
            return Done(0 if pushing.sshd else 1)
        case ("ls", "-1", folder) if (machine, folder) == (PROXY, HOOKS):
            names = sorted(
                posixpath.basename(path) for on, path in files if (on, posixpath.dirname(path)) == (PROXY, HOOKS)
            )
            return Done(0, "".join(f"{name}\n" for name in names))
        case ("rm", "--", *paths) if all((machine, path) in files for path in paths):
            for path in paths:
                del files[machine, path]
            return Done(0)
        case ("mv", "-f", "-T", "--", old, new) if (machine, old) in files and pushing.writable(machine, new):
            files[machine, new] = files.pop((machine, old))
            lab.modes[machine, new] = lab.modes.pop((machine, old), 0o644)
            return Done(0)
        case ("ip", "-o", "route", "get", address) if machine == PROXY:
            return Done(0, f"{address} dev tailscale0 table 52 src {TAILNET} uid 0 \\    cache\n")
        case ("ss", "-Htn", "state", "established", "sport = :22" | "( sport = :22 )") if machine == MAIL:
            return Done(0, _connected(lab))
        case ("stat", "-L", "-c", "%a", "--", path) if (machine, path) in lab.modes and (machine, path) in files:
            return Done(0, f"{lab.modes[machine, path]:o}\n")
        case ("openssl", "s_client", "-connect", place, "-servername", _, *_) if machine == MAIL:
            return _handshake(lab, int(place.rpartition(":")[2]))
    return _acme(lab, argv) if machine == MAIL else None


Script = Callable[["Rehearsal", tuple[str, ...]], Done]


def _script(machine: str, text: str) -> Script | None:
    """Return what stands for a script of the flow, known by what it is about; None for another one."""
    known: tuple[tuple[str, str, Script], ...] = (
        (PROXY, "ssh-keygen -q -t ed25519", _make_key),
        (PROXY, "both reach the deploy script alone", _try),
        (PROXY, "RENEWED_LINEAGE=$1 exec", _push),
        (PROXY, "$(date +%s)", _clock),
        (PROXY, "certbot --version", _certbot),
        (PROXY, "-e '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p'", _leaves),
        (MAIL, "Mailcow has another pair than the new one", _take_back),
        (machine, "--restore", partial(_restore, machine)),
        (MAIL, "--no-install-recommends openssh-server", _install),
        (MAIL, "purge -y openssh-server", _purge),
    )
    return next((run for on, part, run in known if on == machine and part in text), None)


def _ours(pushing: Pushing, machine: str, path: str) -> bool:
    return path in pushing.folders[machine] or path in (STORE, "/etc/cowhand")


def _there(lab: Rehearsal, machine: str, kind: str, path: str) -> bool:
    if kind == "-d":
        return path in lab.pushing.folders[machine]
    return (machine, path) in lab.files


def _connected(lab: Rehearsal) -> str:
    """The connections to sshd as the VM sees them: the proxy's come from the subnet router."""
    target = lab.network.targets[0]
    rows = (f"0      0      {target}:22      {GATEWAY}:{port}\n" for port in lab.pushing.guests.values())
    return "".join(rows)


def _install(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    lab.pushing.sshd = True
    lab.files[MAIL, HOST_KEY] = host_key()
    lab.pushing.start()
    return Done(0, "Setting up openssh-server (1:9.6p1-3ubuntu13) ...\n")


def _purge(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    lab.pushing.sshd = False
    lab.files.pop((MAIL, HOST_KEY), None)
    lab.pushing.stop()
    return Done(0)


def _make_key(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    path, *comment = words
    if (PROXY, path) not in lab.files:
        lab.files[PROXY, path] = b"-----BEGIN OPENSSH PRIVATE KEY-----\na stand-in\n-----END OPENSSH PRIVATE KEY-----\n"
        lab.modes[PROXY, path] = 0o600
    lab.files[PROXY, f"{path}.pub"] = f"ssh-ed25519 {blob()} {' '.join(comment)}\n".encode()
    return Done(0)


def _text(lab: Rehearsal, machine: str, path: str) -> str:
    return lab.files.get((machine, path), b"").decode("utf-8", "replace")


def _refusal(lab: Rehearsal) -> str:
    """Why the deploy script is not reached with the key; "" when it is."""
    if lab.pushing.door is None:
        return "ssh: connect to host port 22: Connection refused"
    words = _text(lab, MAIL, HOST_KEY).split()[:2]
    if not words or " ".join(words) not in _text(lab, PROXY, KNOWN):
        return "Host key verification failed."
    public = _text(lab, PROXY, f"{KEY}.pub").split()[:2]
    text = _text(lab, MAIL, ALLOWED)
    rows = text.split("\n")
    for entry in authorized_keys.read(text, ALLOWED):
        if len(public) == 2 and public[1] in rows[entry.span.line - 1] and entry.options.get("from") == GATEWAY:
            return "" if (MAIL, DEPLOY) in lab.files else f"sh: 1: {DEPLOY}: not found"
    return "root: Permission denied (publickey)."


def _try(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    if why := _refusal(lab):
        return Done(3, "", f"a command, asked for with the key, ended with status 255: {why}\n")
    return Done(0, "a command and sftp both reach the deploy script alone, which refuses an empty input\n")


def _push(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    """Do what certbot's hook does with the lineage: HAProxy has it already, the VM gets it."""
    if (PROXY, SETTINGS) not in lab.files:
        return Done(2, "", f"{SETTINGS} is missing\n")
    why = _refusal(lab)
    if not why:
        lab.files[MAIL, f"{STORE}/previous.pem"] = (lab.certificate.pem + "---\n" + lab.certificate.key).encode()
        lab.certificate.install(lab.issued)
        _lay(lab)
    lab.files[PROXY, certificate_push.STATE] = _state(lab, words[0], why).encode()
    return Done(22, "", f"push: {why}\n") if why else Done(0)


SERVER = "https://authority.invalid/directory"
"""The address of the rehearsal's authority. Nothing is ever sent to it."""


def _clock(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    return Done(0, f"{time.time():.0f} {lab.issued.since:.0f}\n")


def _certbot(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    """Tell the version, the lineage's settings, and how many certificates were issued lately."""
    kept = "reuse_key = True\n" if lab.issued.keeps else ""
    return Done(0, f"certbot 2.9.0\n[renewalparams]\n{kept}server = {SERVER}\n{lab.issued.count}\n")


def _renew(lab: Rehearsal, words: list[str]) -> Done:
    """Do what `certbot renew` does: a new certificate, when it is due or forced, then the hook that is there."""
    if "--dry-run" in words:
        return Done(0, "Congratulations, all simulated renewals succeeded\n")
    if "--force-renewal" not in words and time.time() < _leaf(lab).due:
        return Done(0, "Certificate not yet due for renewal\n")
    lab.issued.keeps |= "--reuse-key" in words
    lab.issued.issue()
    _lay(lab)
    # certbot itself ends well when a hook fails.
    said = _push(lab, (f"/etc/letsencrypt/live/{lab.issued.name}",)).stderr if (PROXY, SETTINGS) in lab.files else ""
    return Done(0, "Congratulations, all renewals succeeded\n", f"Hook ran with error output:\n {said}" if said else "")


def _leaf(lab: Rehearsal) -> Certificate:
    import ssl

    leaf = x509.read(ssl.PEM_cert_to_DER_cert(lab.issued.pem))
    if leaf is None:
        raise ValueError("the lab's own certificate cannot be read")
    return leaf


def _state(lab: Rehearsal, lineage: str, why: str) -> str:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    leaf = _leaf(lab)
    told = {
        "version": "1", "result": "failed" if why else "ok", "when": now, "stage": "push" if why else "-",
        "status": "22" if why else "0", "remote": "255" if why else "0", "reason": why, "lineage": lineage,
        "name": lab.issued.name, "target": f"root@{lab.network.targets[0]}", "fingerprint": leaf.fingerprint,
        "not_after": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(leaf.not_after)), "succeeded": "" if why else now,
        "succeeded_fingerprint": "" if why else leaf.fingerprint, "since": now if why else "",
        "mailed": "no" if why else "-",
    }  # fmt: skip
    return "".join(f"{key}={value}\n" for key, value in told.items())


def _restore(machine: str, lab: Rehearsal, words: tuple[str, ...]) -> Done:
    store, _, _, pushed, _, _, made = words
    kept = lab.files.get((MAIL, f"{store}/previous.pem"))
    if machine == MAIL and pushed != "-" and kept is not None:
        lab.certificate.restore(kept.decode())
        _lay(lab)
    if made == "yes":
        for place in [place for place in lab.files if place[0] == machine and place[1].startswith(f"{store}/")]:
            del lab.files[place]
        lab.pushing.folders[machine].discard(store)
    return Done(0)


def _take_back(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    """Put Mailcow's pair from before back, when it has the new one."""
    import ssl

    used, kept = (
        x509.read(ssl.PEM_cert_to_DER_cert(lab.certificate.pem)),
        lab.files.get((MAIL, f"{STORE}/previous.pem")),
    )
    if used is None or used.fingerprint != words[1]:
        return Done(0, "Mailcow has another pair than the new one: it is left as it is\n")
    if kept is None:
        return Done(10, "", "refused: there is no previous pair; nothing was changed\n")
    lab.certificate.restore(kept.decode())
    _lay(lab)
    return Done(0, "restored\n")


def _leaves(lab: Rehearsal, words: tuple[str, ...]) -> Done:
    text = _text(lab, PROXY, words[0])
    at = text.find("-----BEGIN CERTIFICATE-----")
    return Done(0, text[at:]) if at >= 0 else Done(1)


def _handshake(lab: Rehearsal, port: int) -> Done:
    """What a port of the VM shows; nginx' own TLS is not imitated."""
    if any(port in service.doors and service.name != "nginx-mailcow" for service in lab.services):
        return Done(0, lab.certificate.pem)
    return Done(1, "", "connect:errno=111\n")


def _acme(lab: Rehearsal, argv: tuple[str, ...]) -> Done | None:
    """Answer for Mailcow's own ACME client."""
    compose = ("docker", "compose", "--project-directory", FOLDER)
    if argv == (*compose, "ps", "-q", ACME):
        return Done(0, "ac3e0000ac3e\n")
    if argv[:2] == ("docker", "inspect") and argv[-1] == "ac3e0000ac3e":
        return Done(0, f'["{lab.pushing.container}"]\n')
    if argv == (*compose, "up", "-d", "--no-deps", "--pull", "never", ACME):
        rows = [row for row in _text(lab, MAIL, CONF).split("\n") if row.startswith("SKIP_LETS_ENCRYPT=")]
        lab.pushing.container = rows[-1] if rows else "MAILCOW_HOSTNAME=mail.benoit.jp.net"
        return Done(0, "", f" Container mailcowdockerized-{ACME}-1  Started\n")
    return None


def _lay(lab: Rehearsal) -> None:
    lay(lab.files, lab.modes, lab.issued, lab.certificate)
