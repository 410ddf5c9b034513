"""Finds what is a secret whatever it is called: known tokens, hashes of passwords, user:password@, Bearer, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from console.masking import terms
from console.masking.values import harmless, random

SURE = (
    "tskey-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glsoat-", "glcbt-",
    "glptt-", "glft-", "glimt-", "glagent-", "gloas-", "xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxo-", "xoxp-",
    "xoxr-", "xoxs-", "xoxe.", "xapp-", "age-secret-key-", "age-plugin-", "hvs.", "hvb.", "hvr.", "dop_v1_", "doo_v1_",
    "dor_v1_", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "ya29.", "gocspx-", "shpat_", "shpss_",
    "shpca_", "lin_api_", "glsa_", "glc_", "swmtkn-1-", "dckr_pat_", "dckr_oat_", "sntrys_", "sntryu_", "pmak-",
    "nrak-", "atatt3", "figd_", "rubygems_", "dp.st.", "dp.pt.", "dp.ct.", "ops_ey", "pypi-age", "sk-ant-", "sk-proj-",
    "cfut_", "tfp_", "hcp_", "pul-", "sbp_", "eab_", "mlsn.", "xkeysib-", "xsmtpsib-", "ntn_", "nvapi-", "pplx-",
    "dt0c01.", "lsv2_", "ccipat_", "nfp_", "sb_secret_", "sq0csp-", "sq0atp-", "sk1_", "pk1_",
    "grub.pbkdf2.", "glffct-", "1//0",
)  # fmt: skip
"""Beginnings of tokens that nothing else has, in lower case. Each is in its issuer's documentation."""

LIKELY = (
    "sk-",
    "npm_",
    "pypi-",
    "sg.",
    "key-",
    "akia",
    "asia",
    "aiza",
    "eyj",
    "hf_",
    "re_",
    "gsk_",
    "s.",
    "pat-",
    "b.",
)
"""Beginnings that ordinary words have too: what follows must be long and look made up."""

HASHES = ("$2", "$1$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$argon", "$apr", "$scrypt", "$pbkdf", "$sha", "$md5",
          "$p$")  # fmt: skip
SCHEMES = ("{ssha", "{sha", "{plain", "{clear", "{crypt", "{blf", "{md5", "{smd5", "{pbkdf", "{argon", "{cram",
           "{digest", "{scram", "{des-", "{ldap", "{ntlm", "{lanman", "{nt")  # fmt: skip
HOOKS = ("hooks.slack.com", "api/webhooks/", "webhook.office.com", "webhook.site", "/hooks/", "api.telegram.org/bot",
         "chat.googleapis.com", "hc-ping.com/", "healthchecks.io/ping/", "/api/push/", "cronitor.link/p/",
         "/api/v1/heartbeat/", "/with/key/", "open-apis/bot/v2/hook/", "gotify://", "//ntfy.sh/",
         "/webhook/", "/webhooks/", "/_webhooks/", "/bot",
         "pagerduty.com/integration/", "otpauth-migration://", "vmess://")  # fmt: skip

SAID = ("resp=", "secret,", "sensitive(", "bcrypt(", "kv put", "kv patch", "createuser")
"""Parts of lines that `_said` looks through."""

Span = tuple[int, int]


@cache
def _token() -> re.Pattern[str]:
    sure = "|".join(re.escape(each) for each in SURE)
    return re.compile(
        rf"(?i:(?<![A-Za-z0-9])(?!eab_(?:hmac|kid|key|mac|alg))(?:{sure})[\w.~+/=-]{{3,}}+)"
        r"|(?<![A-Za-z0-9_.-])(?:sk-(?!ssh-|ecdsa-)[\w-]{10,}+|npm_[A-Za-z0-9]{10,}+|pypi-[\w-]{16,}+|SG\.[\w-]{6,}+(?:\.[\w-]++)?"
        r"|key-[0-9a-f]{16,}+|(?:AKIA|ASIA|ABIA|ACCA)[A-Za-z0-9]{8,}+|AIza[\w-]{16,}+|(?:hf|re|gsk)_[A-Za-z0-9]{12,}+"
        r"|s\.[A-Za-z0-9]{20,}+|pat-[\w-]{16,}+)"
        r"|(?<![A-Za-z0-9_])eyJ[\w-]{8,}+(?:\.[\w-]*+)*+[=+/\w]*+"
        r"|(?<![A-Za-z0-9_])[\w-]{10,64}\.atlasv1\.[\w-]++"
        r"|(?<![A-Za-z0-9_])\d{8,10}:[\w-]{30,}+"
    )


@cache
def _hash() -> re.Pattern[str]:
    body = r"[^\s\"'`,;|)\]}]"
    return re.compile(
        rf"\${{1,2}}2[abxy]?\${{1,2}}\d\d\${{1,2}}{body}++"
        rf"|\${{1,2}}(?:2[abxy]?|[1567]|gy|y|md5|apr1|sha1|sha256|sha512|P|scrypt|argon2(?:id|i|d)?|pbkdf2[\w-]*+)\${{1,2}}"
        rf"(?:[^\s\"'`;|)$]{{1,90}}+\${{1,2}}){{1,4}}+{body}{{4,}}+"
        rf"|\$P\${body}{{20,}}+"
        r"|\{(?i:S?SHA\d*+|SSHA|PLAIN|CLEAR(?:TEXT)?|CRYPT|BLF-CRYPT|MD5|SMD5|PBKDF2|ARGON2\w*+|CRAM-MD5|DIGEST-MD5|SCRAM-\S{1,8}"
        r"|[A-Z0-9]{2,8}-(?:CRYPT|MD5)|PLAIN-\w{1,6}|LDAP-MD5|NTLM|LANMAN|NT)(?i:\.(?:HEX|B64|BASE64))?\}[^\s\"'`,;]++"
        r"(?:,t=\d{1,9}+,p=\d{1,9}+[^\s\"'`,;]++)?"
        r"|(?<![\w*])\*[0-9A-F]{40}(?![0-9A-F])"
    )


@cache
def _userinfo() -> re.Pattern[str]:
    return re.compile(r"//([^\s\"'<>`|]*+)")


@cache
def _dsn() -> re.Pattern[str]:
    """user:password@tcp(host), user:password@host:3306, user:password@host/base."""
    return re.compile(
        r"(?<![\w/.@:-])([\w.+%-]{1,64}+):(?!//)([^\s\"'@]{1,200}+)[\"']?@(?!sha\d)(?:(?:tcp|unix|udp)\(|[\w.-]++(?::[\d/~]|/)|\[)"
    )


@cache
def _called() -> re.Pattern[str]:
    """sip:user:password@host: what is called by a scheme without slashes."""
    return re.compile(
        r"(?i)(?<![\w-])(?:sips?|xmpp|im|pres|turns?|stun):(?!//)[^\s:@\"'<>]{1,64}+:([^\s\"'<>@]{1,200}+)@"
    )


@cache
def _map() -> re.Pattern[str]:
    """[relay.example.org]:587 user:password, as in Postfix's sasl_passwd."""
    return re.compile(r"\[[\w.:-]++\](?::\w++)?[ \t]++[^\s:]++:(\S++)")


@cache
def _scheme() -> re.Pattern[str]:
    return re.compile(
        r"(?i)(?<![\w-])(bearer|basic)(?::|=)?(?:\s|\\ |%20|\+|\\t)++(\\?[\"']?)(?=([\w.~+/=:\\$@!#%^&*{}-]{4,}+))"
    )


@cache
def _key44() -> re.Pattern[str]:
    return re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=(?![A-Za-z0-9+/=])")


@cache
def _hook() -> re.Pattern[str]:
    return re.compile(
        r"(?i)(?:hooks\.slack\.com/(?:services|workflows|triggers)/|/api/webhooks/|webhook\.office\.com/|webhook\.site/"
        r"|/hooks/|api\.telegram\.org/bot|/bot(?=\d{5,12}:[\w-]{20})|chat\.googleapis\.com/v1/spaces/|hc-ping\.com/|healthchecks\.io/ping/|/api/push/"
        r"|cronitor\.link/p/|/api/v1/heartbeat/|/with/key/|/open-apis/bot/v2/hook/|gotify://[\w.:-]++/|//ntfy\.sh/"
        r"|://[\w.:-]++/(?:[\w.-]++/){0,8}_?webhooks?/|pagerduty\.com/integration/|otpauth-migration://\w++\?data=|vmess://)([^\s\"'<>`|,)\]}]++)"
    )


@cache
def _quoted_word() -> re.Pattern[str]:
    """IDENTIFIED BY 'x', PASSWORD "x", secret 'x': SQL, and configurations that put a blank before the value."""
    return re.compile(
        r"(?i)\b(?:identified\s++(?:with\s++\S{1,40}\s++)?(?:by|as)(?:\s++password)?|password|passwd|passphrase|secret|token|psk|as\s++\w++\s++key)"
        r"(?:\s++(?:=\s*+)?|\()(\\?[\"'])"
    )


@cache
def _jwk() -> re.Pattern[str]:
    """The private parts of a JSON Web Key (RFC 7517 and 7518): accounts of ACME are kept so."""
    return re.compile(r"\\?\"(?:d|p|q|dp|dq|qi|k)\\?\"\s*+:\s*+\\?\"([\w-]++)")


@cache
def _converter() -> re.Pattern[str]:
    """HAProxy's converters that take a key among their arguments."""
    return re.compile(r"\b(hmac|jwt_verify\w*+|aes_(?:gcm|cbc)_(?:enc|dec))\(([^()]{1,400}+)\)")


@cache
def _said() -> re.Pattern[str]:
    """A client's answer in Dovecot's debug log, QEMU's secrets, HCL's sensitive("x"), Vault's kv put PATH NAME=x."""
    return re.compile(
        r"(?<!\w)resp=([\w+/=-]{4,}+)|\bsecret,(?:(?!data=)[\w-]++=[^,\s\"']*+,)*+data=([^,\s\"']++)"
        r"|\b(?:non)?sensitive\(\s*+\\?\"((?:[^\"\\]++|\\.)*+)|\bbcrypt\(\s*+\\?\"((?:[^\"\\]++|\\.)*+)"
        r"|\bkv\s++(?:put|patch)\s++(?:-\S++\s++)*+[^\s=]++\s++[\w.-]++=([^\s@]\S*+)"
        r"|(?<![\w-])create[Uu]ser\s++\S++\s++(?:MD5|SHA\S*+)\s++\"?([^\"\s]++)"
        r"|(?<!\S)(?:DES|AES)\s++\"([^\"\s]++)"
    )


@cache
def _tag() -> re.Pattern[str]:
    return re.compile(r"<([\w.:-]{2,60}+)[^<>]{0,200}+>([^<>]++)</")


_PROSE = terms("""
    token tokens auth authentication authorization is are was the a an and or for with of http https access
    error realm header headers scheme schemes credentials only test info block setup check checks usage
    constraints
""")


_CALLED = terms("sip sips xmpp im pres turn turns stun mailto acct")
"""Schemes that stand before a user's name as `user:` stands before a password."""


def spans(text: str, low: str, tokens: bool = True) -> Iterator[Span]:
    """Yield the places in a line (`low` is the same in lower case) of what looks like a secret."""
    if tokens:
        yield from (found.span() for found in _token().finditer(text) if not harmless(found[0], "strong"))
    if "$" in low or "{" in low or "*" in low:
        for found in _hash().finditer(text):
            yield found.span()
    if "@" in low:
        yield from _urls(text, low)
        for found in _dsn().finditer(text):
            if found[1].lower() not in _CALLED and not harmless(found[2], "strong"):
                yield found.span(2)
        yield from (found.span(1) for found in _called().finditer(text) if not harmless(found[1], "strong"))
    if "]" in low and ":" in low:
        yield from (found.span(1) for found in _map().finditer(text) if not harmless(found[1], "strong"))
    if "bearer" in low or "basic" in low:
        yield from _authentication(text)
    if "=" in low and len(low) >= 44:
        yield from _wireguard(text, low)
    for hook in HOOKS:
        if hook in low:
            for found in _hook().finditer(text):
                path = text[max(0, found.start() - 1) : found.start()].strip("\"' \t") == ""  # set-path /hooks/x
                if not (path and len(found[1]) < 4) and not harmless(found[1], "strong"):
                    yield found.span(1)
            break
    if "'" in low or '"' in low:
        yield from _after_a_blank(text)
        whole = "kty" in low  # else its lines are apart, and their values alone tell what they are
        yield from (found.span(1) for found in _jwk().finditer(text) if whole or len(found[1]) >= 20)
    if "(" in low:
        yield from _converters(text)
    if any(each in low for each in SAID):
        for found in _said().finditer(text):
            which = found.lastindex or 0
            if not harmless(found[which], "strong"):
                yield found.span(which)


def _converters(text: str) -> Iterator[Span]:
    """Yield the key among the arguments of a converter, unless a variable or a file holds it."""
    for found in _converter().finditer(text):
        at, start = (2 if found[1].startswith("aes") else 1), found.start(2)
        for number, part in enumerate(found[2].split(",")):
            value = part.strip(" \"'")
            named = re.match(r"(?:txn|sess|proc|req|res|check)\.", value)
            if number == at and not named and not harmless(value, "strong"):
                yield start, start + len(part)
            start += len(part) + 1


_KEYED = ("http:", "https:", "redis:", "rediss:", "valkey:", "valkeys:", "nats:", "telegram:", "slack:", "discord:",
          "pushbullet:", "trojan:", "vless:", "ss:", "hysteria2:")  # fmt: skip
"""Schemes of URLs in which a name without a password is a key."""


def _urls(text: str, low: str) -> Iterator[Span]:
    """Yield the password of each URL's user, and a lone name before the @ that is a key, as Sentry's are."""
    for found in _userinfo().finditer(text):
        rest, start = found[1], found.start(1)
        if "@" not in rest:
            continue
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        if "@" in authority:
            user, _, _ = authority.rpartition("@")
        else:
            # A password may hold a slash that nobody has quoted; a port does not.
            user = rest.rpartition("@")[0]
            name, colon, password = user.partition(":")
            if not colon or re.match(r"\d{1,5}(?:[/?#]|$)", password) or "/" in name:
                continue
        name, colon, password = user.partition(":")
        if colon and not harmless(password, "strong"):
            yield start + len(name) + 1, start + len(user)
        lone = low.endswith(_KEYED, 0, found.start()) or (random(name) and len(name) > 15)
        if not colon and lone and name not in ("git", "default") and not harmless(name, "strong"):
            yield start, start + len(name)


def _authentication(text: str) -> Iterator[Span]:
    for found in _scheme().finditer(text):
        word = found[3].rstrip("\\")
        bare = word.strip(".,:;*_").lower()
        if bare in _PROSE or harmless(word, "strong") or (found[1].lower() == "basic" and not _made_up(word)):
            continue
        yield found.start(3), found.start(3) + len(word)


def _made_up(word: str) -> bool:
    """Say whether a word after "Basic" is base64 rather than English."""
    return len(word) >= 8 and (word.endswith("=") or random(word) or not word[1:].islower())


def _wireguard(text: str, low: str) -> Iterator[Span]:
    for found in _key44().finditer(text):
        told = low[max(0, found.start() - 60) : found.start()]
        if not any(each in told for each in ("public", "peer", "pubkey", "sha256", "pin-", "ssh-", "known_hosts")):
            yield found.span()


def _after_a_blank(text: str) -> Iterator[Span]:
    for found in _quoted_word().finditer(text):
        quote, start = found[1], found.end()
        end = text.find(quote, start)
        value = text[start : end if end >= 0 else len(text)]
        if not harmless(value, "strong") and (end >= 0 or random(value)):
            yield start, start + len(value)


def tags(text: str) -> Iterator[tuple[str, Span]]:
    """Yield the name and the place of the content of each XML element."""
    for found in _tag().finditer(text):
        yield found[1], found.span(2)
