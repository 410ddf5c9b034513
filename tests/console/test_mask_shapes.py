"""What is a secret by its shape alone, exactly where it begins and ends, and what only looks like one."""

from __future__ import annotations

import pytest

from console.masking import shapes

K43 = "A" * 42 + "E="
HEX40 = "0123456789ABCDEF0123456789ABCDEF01234567"

SHAPES = [
    # tokens that nothing else looks like
    *(f"x ‹{each}abc› y" for each in shapes.SURE),
    "x ‹TSKEY-abc› y", "x ghp_ab y", "xghp_abc y", "x=‹ghp_a.b~c+d/e=f-g_h›,",
    # what says that it is one by what stands around it
    '{"kty": "EC", "d": "‹ab›", "x": "c"}', '"d": "‹01234567890123456789›"', '"d": "0123456789012345678"', '"k": "tcp"',
    "hmac(sha256,‹abc›)", "hmac(sha256,txn.key)", "jwt_verify(txn.alg,/etc/x.pem)", 'jwt_verify(txn.alg,‹"abc"›)',
    "aes_gcm_enc(128,txn.n,‹abc›,txn.tag)", "aes_cbc_dec(128,txn.n,txn.k)", "resp=‹AGJvYg==›", "resp=ab", "xresp=abcd",
    "secret,id=a,data=‹abc›", "secret,id=a,file=/x", 'sensitive("‹a b›")', "sensitive(var.x)", 'bcrypt("‹abc›")',
    "vault kv put a/b c=‹d›", "vault kv put a/b @x", "vault kv put a/b c=@x", 'createUser b SHA "‹c›" AES "‹d›"',
    "https://hc-ping.com/‹ab›", "https://x/api/push/‹ab›", "{ARGON2ID}", "‹{ARGON2ID}$argon2id$v=19$m=1,t=3,p=1$a$b› c",
    "set-path /hooks/abc", "set-path /hooks/‹abcd›", "/hooks/abc", "https://h/hooks/‹abc›", "x /hooks/$X",
    "d /hooks/abc",
    'AES "abc"',
    # and those whose beginnings words have
    "‹sk-abcdefghij›", "sk-abcdefghi", "sk-ssh-ed25519@openssh", "sk-ecdsa-sha2-nistp", "‹npm_abcdefghij›",
    "npm_abcdefghi",
    "‹pypi-abcdefghijklmnop›", "pypi-abcdefghijklmno", "‹SG.abcdef›", "‹SG.abcdef.gh› x", "SG.abcde",
    "‹key-0123456789abcdef›", "key-0123456789abcde", "‹AKIA12345678›", "AKIA1234567", "‹ASIA12345678›",
    "‹ABIA12345678›",
    "‹ACCA12345678›", "‹AIzaabcdefghijklmnop›", "AIzaabcdefghijklmno", "‹hf_abcdefghijkl›", "‹re_abcdefghijkl›",
    "‹gsk_abcdefghijkl›", "gsk_abcdefghijk", "‹s.abcdefghijklmnopqrst›", "s.abcdefghijklmnopqrs",
    "‹pat-abcdefghijklmnop›",
    "pat-abcdefghijklmno", "a-sk-abcdefghij", "‹eyJabcdefgh›", "eyJabcdefg", "‹eyJabcdefgh.ij.kl=› x", "_eyJabcdefgh",
    "‹abcdefghij.atlasv1.xyz›", "abcdefghi.atlasv1.xyz", f"‹12345678:{'a' * 30}›", f"12345678:{'a' * 29}",
    f"1234567:{'a' * 30}", f"‹1234567890:{'a' * 30}›",
    # hashes of passwords
    "a:‹$2y$10$abcdef:b›", "‹$2$10$ab›, x", "‹$$2b$$05$$abc›", "‹$6$salt$abcd›", "$6$salt$abc", "‹$1$salt$abcd›",
    "‹$5$s$abcd›",
    "‹$7$s$abcd›", "‹$y$j9T$salt$hash› x", "‹$gy$j9T$salt$hash›", "‹$apr1$salt$hash›", "‹$md5$salt$hash›",
    "‹$sha1$salt$hash›",
    "‹$sha256$salt$hash›", "‹$sha512$salt$hash›", "‹$argon2id$v=19$m=1,t=2$salt$hash›", "‹$argon2i$v=19$hash›",
    "‹$scrypt$ln=1$salt$hash›", "‹$pbkdf2-sha256$29000$salt$hash›", "$9$salt$hash", f"‹$P$B{'a' * 20}›",
    f"$P${'a' * 19}",
    "‹{SSHA}abc›", "‹{ssha256}abc›", "‹{SHA}abc›", "‹{PLAIN}abc›", "‹{CLEAR}abc›", "‹{CLEARTEXT}abc›", "‹{CRYPT}abc›",
    "‹{BLF-CRYPT}$2y$05$abc›", "‹{MD5}a›", "‹{SMD5}a›", "‹{PBKDF2}a›", "‹{ARGON2ID}a›", "‹{CRAM-MD5}a›",
    "‹{DIGEST-MD5}a›",
    "‹{SCRAM-SHA-256}a›", "‹{SHA512-CRYPT}a›", "‹{DES-CRYPT}a›", "‹{PLAIN-MD5}a›", "‹{LDAP-MD5}a›", "‹{NTLM}a›",
    "‹{LANMAN}a›",
    "‹{NT}a›", "‹{SSHA.b64}a›", "‹{SSHA.HEX}a›", "{OTHER}abc", f"'‹*{HEX40}›'", f"*{HEX40}0", f"**{HEX40}",
    f"a*{HEX40}",
    # what a URL carries
    "http://u:‹p›@h/", "http://‹key›@h/1", "https://‹key›@h/1", "ssh://git@h/x", "https://git@h/x", "ftp://joe@h",
    "ftp://‹a1b2c3d4e5f6g7h8›@h", "ftp://a1b2c3d4e5f6g7h@h", "//u:‹p›@h", "x://u:‹a/b›@h", "x://h:25/a@b",
    "x://h:123456/a",
    "x://u:‹123456/a›@h", "x://h/a:b@c", "x://u:‹a?b›@h", "x://u:$P@h", "x://u:@h", "x://u:‹a@b›@h/c@d",
    "x://h:25?q=a@b",
    "x://h#a@b", "http://$KEY@h/1", "//h:1#a@b", "x://u:‹1a/b›@h",
    "x://u:‹a/b@c/d›@h", "x://u:‹a:b/c›@h", "http://h?a@b", "ftp://abcdefghijklmnopq@h", "x://h:25/a@b http://u:‹p›@h/",
    "//h http://u:‹p›@h/",
    "x://u:‹se/cr:x›@h", "sip:bob@example.org", "SIP:bob@example.org", "sip:bob:‹abc›@h", "sip:bob:$X@h",
    "u:‹p›@tcp(h)", "u:‹p›@unix(h)", "u:‹p›@udp(h)", "u:‹p›@h:3306", "u:‹p›@h/base", "u:‹p›@[::1]", "u:p@h",
    "u:$P@h:3306",
    "image:1.2@sha256:abc", "a:sip@h", "[h]:25 u:‹p›", "[h] u:‹p›", "[h]:smtp\tu:‹p› x", "[h]:25 u:$P", "[h]:25 u",
    # a header
    "Bearer ‹abcd›", "bearer abc", "Bearer token", "Bearer is", "Bearer $X", "Bearer $TOKEN",
    "Bearer token Bearer ‹abcd›", "Basic ‹aBcdefgh›", "Bearer ‹abcd› x", "Bearer= ‹abcd›",
    "xBearer abcd",
    "-bearer abcd", "Bearer: ‹abcd›", "Bearer%20‹abcd›", "Bearer+‹abcd›", 'Bearer "‹abcd›"', "Bearer\\ ‹abcd›",
    "Bearer\\t‹abcd›",
    "Bearer ‹ab.cd›,", "Bearer Token.", "Bearer ‹abcd›\\", "Basic ‹dXNlcjpw›", "Basic dXNlcjp", "Basic abcdefgh",
    "Basic ‹abcdefg=›", "Basic abcdef=", "Basic ‹abcdefg1›", "Basic ‹abcdEfgh›", "Basic Abcdefgh",
    "Basic authentication",
    *(f"Bearer {each}" for each in ("auth", "authorization", "error", "realm", "only", "usage", "constraints")),
    # a key of 32 bytes in base64
    f"‹{K43}›", f"x {K43[1:]}", f"a{K43}", f"{K43}=", f"PublicKey = {K43}", f"peer {K43}", f"pin-sha256 {K43}",
    f"sha256 {K43}",
    f"pubkey {K43}", f"ssh-rsa {K43}", f"known_hosts {K43}", f"pin-x {K43}", f"public{' ' * 54}{K43}",
    f"public{' ' * 55}‹{K43}›", f"PresharedKey = ‹{K43}›", "A" * 42 + "B=",
    # addresses that let anybody in who knows them
    "https://hooks.slack.com/services/‹T/B/x› y", "https://hooks.slack.com/workflows/‹T›",
    "https://hooks.slack.com/triggers/‹T›",
    "https://discord.com/api/webhooks/‹1/x›", "https://x.webhook.office.com/‹x›", "https://webhook.site/‹x›, y",
    "https://m.example.org/hooks/‹x›", "https://api.telegram.org/bot‹1:x/send›",
    "https://chat.googleapis.com/v1/spaces/‹x›",
    "https://m.example.org/hooks/$X", "https://m.example.org/hooks/‹x› password '‹z›'", "https://m.example.org/hooks",
    # words of SQL, and of configurations that put a blank before the value
    "IDENTIFIED BY '‹x›'", "identified with a_b by '‹x›'", 'identified as "‹x›"', "PASSWORD '‹x›'", "passwd '‹x›'",
    "passphrase '‹x›'", "secret '‹x y›'", "token '‹x›'", "psk '‹x›'", "psk '‹x›' 'y'", "password = '‹x›'",
    "password '$X'",
    "password 'hello",
    "password '‹abc123›", "xpassword 'x'", 'password \\"‹x›\\"', "hash 'x'",
]  # fmt: skip
"""Lines, with ‹› around what is hidden."""


@pytest.mark.parametrize("marked", SHAPES)
def test_what_is_a_secret_by_its_shape_is_found_exactly(marked: str) -> None:
    text = marked.replace("‹", "").replace("›", "")
    covered = {at for start, end in shapes.spans(text, text.lower()) for at in range(start, end)}
    shown = "".join(
        ("‹" if at in covered and at - 1 not in covered else "")
        + letter
        + ("›" if at in covered and at + 1 not in covered else "")
        for at, letter in enumerate(text)
    )
    assert shown == marked


def test_a_line_without_a_beginning_of_a_token_is_not_looked_through_for_one() -> None:
    assert [*shapes.spans("ghp_abc", "ghp_abc", tokens=False)] == []


@pytest.mark.parametrize("length", [43, 44])
def test_a_short_line_holds_no_key_of_32_bytes(length: int) -> None:
    line = K43[44 - length :]
    assert [*shapes.spans(line, line.lower())] == ([(0, 44)] if length == 44 else [])


TAGS = [
    ("<password>x</password>", [("password", "x")]),
    ("<a.b:c-d e='1'>x y</a> <ab>z</ab>", [("a.b:c-d", "x y"), ("ab", "z")]),
    ("<a>x</a>", []), ("<ab></ab>", []), ("<ab>x", []), (f"<{'a' * 60}>x</", [("a" * 60, "x")]),
    (f"<ab{' ' * 201}>x</", []),
    (f"<ab{' ' * 200}>x</", [("ab", "x")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), TAGS)
def test_the_content_of_an_element_has_its_name(text: str, found: list[tuple[str, str]]) -> None:
    assert [(name, text[slice(*span)]) for name, span in shapes.tags(text)] == found
