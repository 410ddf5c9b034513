"""Says whether a name is that of a secret: `DBPASS`, `--auth-key`, `"client_secret"`, `PresharedKey`."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Literal

from console.masking import terms

Kind = Literal["", "weak", "strong"]
"""How sure it is that a name's value is a secret. What a "weak" one names may as well be a path or a method."""

_ANYWHERE = (
    "password", "passwd", "passphrase", "passcode", "passwort", "secret", "token", "credential", "apikey", "authkey",
    "privatekey", "accesskey", "secretkey", "webhook", "dbroot", "basicauth", "authorization", "bearer", "userpass",
    "connectionstring", "privkey", "mnemonic", "recoverycode", "backupcode", "seedphrase", "pushover", "fernet",
    "hmacencoded", "keydata", "unseal", "activationcode", "verificationcode", "verifycode", "onetimecode", "apihash",
    "apiidhash", "pushbullet", "licensekey", "licencekey", "principalkey", "wirelesskey", "updatekey",
    "clientassertion", "samlresponse", "samlassertion", "kennwort", "motdepasse", "contrasena", "recoveryphrase",
    "seedwords", "recoverywords", "securitycode", "pairingcode", "backupcodes", "recoverycodes", "onetimepass",
)  # fmt: skip
"""Parts of a name, without its dashes and dots, that say it wherever they stand."""

_LAST: dict[str, Kind] = {
    "pass": "strong", "pwd": "strong", "pw": "strong", "psk": "strong", "salt": "strong", "dsn": "strong",
    "creds": "strong", "cred": "strong", "jwt": "strong", "key": "weak", "auth": "weak", "pat": "weak",
    "totp": "strong", "seed": "strong", "private": "weak", "pin": "weak", "license": "weak", "licence": "weak",
    "pepper": "strong", "assertion": "weak", "peppers": "strong", "mdp": "strong",
    "otp": "weak", "hmac": "weak", "sig": "weak", "signature": "weak", "cookie": "weak", "community": "weak",
}  # fmt: skip
"""Last words of a name that say it."""

_ENDS = ("pass", "pwd", "salt", "psk", "key", "auth", "pw", "creds")
"""Ends of a last word that say it too: DBPASS, REDISPASS, masterauth."""

_NOT_ENDS = terms("""
    bypass compass trespass monkey turkey hotkey donkey jockey hockey whiskey keykey oauth nopass passkeys
""")

_HARMLESS = terms("""
    file files path paths dir directory folder name names user username users host hostname port ports ttl
    timeout expiry expires expire expiration lifetime age length len size count policy policies type types
    algorithm alg algo algos method methods mode enabled required scheme schemes mechanism mechanisms mech
    driver backend provider body format encoding charset level regex pattern stdin fd rotation interval issuer
    audience endpoint url uri version ref arn store engine agent usage ops lookup limit limits rate attempts
    retries strength history reset prompt command cmd program helper title description comment label field
    column header param class authentication generator manager days hours minutes seconds attribute attributes
    mount mounts separator second minute hour day
""")
"""Last words of a name whose value is something about a secret, and not the secret."""

_PUBLIC = terms("""
    public pub pubkey recv authorized primary foreign sort partition range known hostkey
""")
"""Words of names of keys that anybody may see."""

_WHICH = terms("v old new current previous prev next legacy prod dev staging backup")
"""Last words that say which of several values it is: PEPPER_V1, DBPASS_OLD."""

_ASKED = terms("""
    no ask prompt skip disable enable generate min max is has without
""")
"""First words of options that ask for a secret or do without one."""


@cache
def _pieces() -> re.Pattern[str]:
    return re.compile(r"[A-Z]{1,200}(?![a-z])|[A-Z]?[a-z]++|[^\W\d_A-Za-z]++")


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: `dbPass`, `DB_PASS` and `db-pass2` are all db, pass."""
    return [piece.lower() for piece in _pieces().findall(name)]


@lru_cache(4096)
def kind(name: str) -> Kind:
    """Return how surely `name` names a secret; "" when it does not."""
    if len(name) > 200:
        return "strong"
    found = words(name)
    if not found:
        return ""
    whole = "".join(found)
    last = found[-1]
    if whole in ("pushoveruser", "pushoverapp", "ovhas", "ovhck"):
        return "strong"
    if last in _HARMLESS and not ("webhook" in whole and last in ("url", "uri")):
        return "strong" if "basicauth" in whole else ""
    if whole in ("loadcredential", "loadcredentialencrypted", "importcredential"):
        return ""  # systemd's: the names of files
    if "-" not in name and whole in ("proxypass", "fastcgipass", "uwsgipass", "scgipass", "grpcpass"):
        return ""
    if last == "tokens" and found[0] in ("max", "min", "num", "total", "n"):
        return ""  # they are counted
    if any(each in whole for each in _ANYWHERE) and "tokeniz" not in whole:
        return "strong"
    if any(each in _PUBLIC for each in found):
        return ""
    if "jwt" in found:
        return "strong"
    if last.endswith("s") and last[:-1] in _LAST:
        last = last[:-1] if len(found) > 1 else last
    if last in _WHICH:
        return kind("_".join(found[:-1]))
    if last == "value" and kind("_".join(found[:-1])) == "strong":
        return "strong"
    if last in _LAST:
        return _LAST[last]
    if last.endswith(_ENDS) and last not in _NOT_ENDS:
        return "weak" if last.endswith(("key", "auth")) else "strong"
    return ""


def about(name: str) -> bool:
    """Say whether a name is that of something about what it names: a port, a path, a length."""
    return any(word in _HARMLESS for word in words(name)[-1:])


def asks(option: str) -> bool:
    """Say whether an option has a secret asked for, or does without one: `--no-password`, `--ask-pass`."""
    return any(word in _ASKED for word in words(option)[:1])


_PARAMETERS = terms("""
    code session sid sessionid phpsessid ticket assertion samlresponse samlrequest sas verifier code_verifier
    device_code user_code jsessionid refresh nonce hash invite invitation magic unsubscribe confirmation
""")


def parameter(name: str) -> Kind:
    """Return how surely a parameter of a URL is a secret: `?code=` of OAuth is one, `code =` elsewhere none."""
    return "strong" if name.lower().replace("-", "_") in _PARAMETERS else kind(name)


def header(name: str) -> bool:
    """Say whether an HTTP header, cookie or parameter of this name carries a secret."""
    return bool(kind(name)) or words(name)[-1:] in (["cookie"], ["session"], ["sessionid"], ["sid"])
