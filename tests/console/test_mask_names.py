"""Which names are those of secrets, how surely, and how places that overlap are hidden once."""

from __future__ import annotations

import pytest

from console.masking import names
from console.masking.found import LONGEST, WHOLE, Found
from console.masking.values import DOTS

KINDS: list[tuple[str, names.Kind]] = [
    ("", ""),
    ("1", ""),
    ("hostname", ""),
    # said anywhere
    ("DB_PASSWORD_MAIN", "strong"),
    ("dbPasswd", "strong"),
    ("api-key", "strong"),
    ("client_secret", "strong"),
    ("tokens", "strong"),
    ("SLACK_WEBHOOK", "strong"),
    ("MYSQL_DBROOT", "strong"),
    ("connection_string", "strong"),
    ("x.private.key", "strong"),
    ("MAX_TOKENS", ""),
    ("num-tokens", ""),
    ("max_token_secret", "strong"),
    ("jwt_one", "strong"),
    # said by the word before the last, which says which of several it is
    ("pass_old", "strong"),
    ("DB_PASS_V1", "strong"),
    ("new_old", ""),
    ("old", ""),
    ("pass_value", "strong"),
    ("DB_PASS_VALUE", "strong"),
    ("host_key_value", ""),
    ("value", ""),
    ("tokenizer", ""),
    ("secretTokenizer", ""),
    # said by the last word
    ("DBPASS", "strong"),
    ("db_pwd", "strong"),
    ("psk", "strong"),
    ("salt", "strong"),
    ("key", "weak"),
    ("host_key", "weak"),
    ("auth", "weak"),
    ("login_otp", "weak"),
    ("totp", "strong"),
    ("signature", "weak"),
    ("key_one", ""),
    # or by its end
    ("REDISPASS", "strong"),
    ("masterauth", "weak"),
    ("sshkey", "weak"),
    ("mypw", "strong"),
    ("mycreds", "strong"),
    ("bypass", ""),
    ("monkey", ""),
    ("oauth", ""),
    # the plural is the same, but for a word alone
    ("ssh_keys", "weak"),
    ("keys", ""),
    ("cookies", ""),
    ("ssh_keyt", ""),
    ("my_cookies", "weak"),
    ("community", "weak"),
    ("LoadCredential", ""),
    ("load_credential_encrypted", ""),
    ("ImportCredential", ""),
    ("MyLoadCredential", "strong"),
    ("pushover-user", "strong"),
    ("pushover_application", "strong"),
    ("proxy_pass", ""),
    ("ProxyPass", ""),
    ("fastcgi_pass", ""),
    ("proxy-pass", "strong"),
    ("public_key", ""),
    ("authorized_keys", ""),
    ("client-key-data", "strong"),
    ("unseal_key", "strong"),
    # something about a secret
    ("password_file", ""),
    ("secret_name", ""),
    ("token-ttl", ""),
    ("auth_method", ""),
    ("webhook_url", "strong"),
    ("webhook_uri", "strong"),
    ("webhook_path", ""),
    ("token_url", ""),
    ("basic_auth_header", "strong"),
    # keys that anybody may see
    ("public_key", ""),
    ("authorized_keys", ""),
    ("ssh_host_pubkey", ""),
    ("primary_key", ""),
    ("public_key_password", "strong"),
    # directives that pass on
    ("proxy_pass", ""),
    ("fastcgi_pass", ""),
    ("uwsgi_pass", ""),
    ("scgi_pass", ""),
    ("grpc_pass", ""),
    ("my_pass", "strong"),
    # lengths
    ("a" * 200, ""),
    ("a" * 201, "strong"),
]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_name_says_how_surely_its_value_is_a_secret(name: str, kind: names.Kind) -> None:
    names.kind.cache_clear()
    assert names.kind(name) == kind


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dbPass", ["db", "pass"]),
        ("DB_PASS", ["db", "pass"]),
        ("db-pass2", ["db", "pass"]),
        ("PresharedKey", ["preshared", "key"]),
        ("MyDBPass", ["my", "db", "pass"]),
        ("APIKey", ["api", "key"]),
        ("kennwörter", ["kennw", "ö", "rter"]),
        ("12_-.", []),
        ("", []),
    ],
)
def test_the_words_of_a_name_are_told_apart_however_it_is_written(name: str, words: list[str]) -> None:
    assert names.words(name) == words


@pytest.mark.parametrize(
    ("option", "asks"),
    [
        ("--no-password", True),
        ("--ask-pass", True),
        ("--generateKey", True),
        ("--password", False),
        ("--password-prompt", False),
        ("--", False),
        ("", False),
    ],
)
def test_an_option_that_has_a_secret_asked_for_holds_none(option: str, asks: bool) -> None:
    assert names.asks(option) is asks


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("Authorization", True),
        ("X-Api-Key", True),
        ("Set-Cookie", True),
        ("cookie", True),
        ("PHP_SESSION", True),
        ("sessionid", True),
        ("sid", True),
        ("Cookie-Policy", False),
        ("Host", False),
        ("", False),
    ],
)
def test_a_header_that_carries_a_secret_is_known_by_its_name(name: str, secret: bool) -> None:
    assert names.header(name) is secret


@pytest.mark.parametrize(
    ("spans", "shown"),
    [
        ([], "0123456789"),
        ([(2, 4)], f"01{DOTS}456789"),
        ([(0, 4)], f"{DOTS}456789"),
        ([(8, 10)], f"01234567{DOTS}"),
        ([(0, 10)], DOTS),
        ([(6, 8), (2, 4)], f"01{DOTS}45{DOTS}89"),
        ([(2, 4), (4, 6)], f"01{DOTS}6789"),
        ([(2, 6), (3, 5)], f"01{DOTS}6789"),
        ([(2, 6), (3, 5), (8, 9)], f"01{DOTS}67{DOTS}9"),
        ([(2, 5), (4, 7)], f"01{DOTS}789"),
        ([(2, 5), (2, 7)], f"01{DOTS}789"),
        ([(0, 3), (0, 3)], f"{DOTS}3456789"),
        ([(0, 3), (3, 4)], f"{DOTS}456789"),
        ([(2, 4), (5, 6)], f"01{DOTS}4{DOTS}6789"),
        ([(4, 4), (5, 3)], "0123456789"),
        ([(4, 5)], f"0123{DOTS}56789"),
    ],
)
def test_places_that_touch_or_overlap_are_hidden_by_one_row_of_dots(spans: list[tuple[int, int]], shown: str) -> None:
    found = Found()
    for start, end in spans:
        found.hide(start, end)
    assert found.masked("0123456789") == shown


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("code", "strong"),
        ("CODE", "strong"),
        ("code-verifier", "strong"),
        ("device_code", "strong"),
        ("session", "strong"),
        ("key", "weak"),
        ("page", ""),
        ("token", "strong"),
        ("", ""),
    ],
)
def test_a_parameter_of_a_url_is_a_secret_by_more_names(name: str, kind: names.Kind) -> None:
    assert names.parameter(name) == kind


@pytest.mark.parametrize(
    ("name", "what"), [("port", True), ("log_level", True), ("port_api", False), ("api", False), ("", False)]
)
def test_a_name_of_something_about_a_thing_is_known(name: str, what: bool) -> None:
    assert names.about(name) is what


def test_a_line_is_looked_through_up_to_4096_characters() -> None:
    assert LONGEST == 4096
    assert WHOLE == ((0, 4097),)
