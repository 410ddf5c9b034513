"""Further forms of secrets, found by looking for what is still shown; and lines that look like them and are none."""

from __future__ import annotations

from console.mask import DOTS, mask
from tests.attacks import forms_listed as listed
from tests.attacks.forms import FORMS, OVER_LINES, SHOWN

SECRETS = ("hunter2x", "Zq9planted", "correct-horse", "tr0ub4dor&3")


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def leaks(forms: list[str]) -> list[str]:
    return [form for form in forms for secret in SECRETS if secret in mask(form.replace("~", secret))]


def test_each_form_of_a_secret_is_hidden() -> None:
    assert leaks(lines(FORMS) + lines(listed.TOLD)) == []


def test_a_secret_is_hidden_where_its_command_is_on_lines_above() -> None:
    texts = [each.strip("\n") for each in OVER_LINES.split("---\n")]
    assert leaks(texts) == []
    # Of XML the rest of the line is hidden too.
    shown = [mask(text.replace("~", "correcthorse")).replace(f"{DOTS}/>", DOTS) for text in texts]
    assert [text.replace("~", DOTS).replace(f'"{DOTS}"/>', DOTS) for text in texts] == shown


def test_a_secret_in_a_list_of_users_keys_or_codes_is_hidden() -> None:
    assert leaks([each.strip("\n") for each in listed.LISTED.split("---\n")]) == []


def test_a_list_of_users_is_hidden_to_its_end_and_no_further() -> None:
    many = "".join(f"  bob{number}: Zq9planted{number}\n" for number in range(3000))
    shown = mask(f"users:\n{many}port: 25\nhost: mail.example.org")
    assert "planted" not in shown and shown.endswith("port: 25\nhost: mail.example.org")


def test_what_only_looks_like_one_is_shown_as_it_is() -> None:
    for each in (*lines(SHOWN), *lines(listed.SHOWN), *listed.SHOWN_OVER_LINES.split("---\n")):
        assert mask(each) == each


def test_what_is_shown_alone_is_shown_in_one_text() -> None:
    assert mask(SHOWN) == SHOWN


def test_names_of_secrets_and_what_is_beside_them_are_shown() -> None:
    for text in (
        "secrets:\n  db:\n    file: ./db.txt\n  relay:\n    external: true\nport: 25",
        "    secrets:\n      - db\n      - source: relay\n        target: x\n    ports: [25]",
        "kind: ConfigMap\ndata:\n  a: b\n---\nkind: Deployment\nspec:\n  secret: {}",
        "write_files:\n  - path: /etc/hosts\n    content: 10.0.0.1 mail",
        "usage: cowhand <password>\nport 25\n",
        "<password>\nport 25\n",
        "docker run \\\n  -p 25:25 \\\n  --user www-data:www-data \\\n  x",
    ):
        assert mask(text) == text


def test_an_option_without_a_value_hides_nothing_of_the_line_below() -> None:
    for line in ('ssh-keygen -N "" -f x', 'server --password ""', 'redis-cli -a "" ping', "curl -u '' https://h/"):
        text = f"{line}\nmail.example.org a1b2c3d4"
        assert mask(text) == text


def test_the_token_of_a_bot_is_hidden_whichever_server_it_is_for_and_the_id_of_a_new_token_too() -> None:
    token = "7123456789:AAHk3kd93kdkd93kdkd93kdkd93kdkd93kd"
    for text in ("https://tg.example.org/bot~/getMe", "  location /bot~/ {", "path_beg /bot~/"):
        assert token not in mask(text.replace("~", token)) and "/bot" in mask(text.replace("~", token))
    assert mask("location /bot/12 {") == "location /bot/12 {" and mask("/bottom:10") == "/bottom:10"
    for text in ("vault token create -id=~", "vault token create -ttl 1h -id ~ -policy x"):
        assert mask(text.replace("~", "hunter2x")) == text.replace("~", DOTS)
    assert mask("vault token create -policy=mail -ttl=1h") == "vault token create -policy=mail -ttl=1h"


def test_the_name_of_an_acme_key_is_no_token() -> None:
    assert mask("eab_hmac_key = hunter2x") == f"eab_hmac_key = {DOTS}"


def test_a_secret_that_is_the_rest_of_its_option_is_hidden() -> None:
    for text in (
        "ldapadd -x -D cn=admin -w~",
        "ldapsearch -x '-w~' -b dc=x",
        "snmpget -v2c -c~ host",
        "snmpwalk -v3 -u bob -A~ -X~ host",
        "zip -P~ a.zip b",
        "unzip -P~ a.zip",
        "ngrok authtoken ~",
        "ngrok config add-authtoken ~",
        "/usr/local/bin/ngrok config add-authtoken '~'",
    ):
        shown = mask(text.replace("~", "Zq9planted"))
        assert "Zq9planted" not in shown and shown.replace("'", "") == text.replace("~", DOTS).replace("'", "")
    for text in ("ldapsearch -x -W -b dc=x", "zip -r -9 a.zip b", "snmpget -v2c -Cc host", "ngrok http 80"):
        assert mask(text) == text
