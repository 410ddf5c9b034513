# ruff: noqa: E501
"""How far what masking hides reaches: of each form and block of test_mask.py exactly this, in a few quick tests.

They are for mistakes made on purpose (tests/mutants), where a test for each row would take too long."""

from __future__ import annotations

from console.mask import DOTS, mask
from tests.console.test_mask import BASES, FORMS, SHAPES, SHOWN, TILDE, lines
from tests.console.test_mask_texts import BLOCKS

SECRET = "hunter2x"

MORE = {
    'DBPASS=a"~"b': "DBPASS=••••••",
    "DBPASS=correct horse ~": "DBPASS=••••••",
    'TOKEN="~" cmd --flag': 'TOKEN="••••••" •••••• --flag',
    "TOKEN=~ cmd": "TOKEN=••••••",
    "env TOKEN=~ cmd": "env TOKEN=••••••",
    "password: first ~ # a remark": "password: ••••••",
    "client_secret: ~ # a remark": "client_secret: ••••••",
    "define('DB_PASSWORD', '~');": "define('DB_PASSWORD', ••••••",
    "      DSN: postgres://u:~@db/x": "      DSN: ••••••",
    '      - "traefik.http.middlewares.a.basicauth.users=admin:~"': '      - "traefik.http.middlewares.a.basicauth.users=••••••"',
    '      traefik.http.middlewares.a.basicauth.users: "admin:~"': '      traefik.http.middlewares.a.basicauth.users: "••••••"',
    "    stats auth admin:~": "    stats auth ••••••",
    "    # stats auth admin:~": "    # stats auth ••••••",
    '    presetenv MYTOKEN "~"': "    presetenv MYTOKEN ••••••",
    '    presetenv api_key "~"': "    presetenv api_key ••••••",
    '    http-request set-header Authorization "Bearer ~"': "    http-request set-header Authorization ••••••",
    '    http-request set-header Authorization "Basic ~" if { path /x }': "    http-request set-header Authorization •••••• if { path /x }",
    '    http-response set-header Set-Cookie "session=~"': "    http-response set-header Set-Cookie ••••••",
    '    http-request set-header Cookie "session=~"': "    http-request set-header Cookie ••••••",
    "    http-request set-var(txn.token) str(~)": "    http-request set-var(txn.token) ••••••",
    '    http-check send meth GET uri / hdr Authorization "Basic ~"': '    http-check send meth GET uri / hdr Authorization "••••••"',
    "    option httpchk GET /x HTTP/1.1\\r\\nAuthorization:\\ Basic\\ ~": "    option httpchk GET /x HTTP/1.1\\r\\nAuthorization:••••••",
    "    tcp-check send AUTH\\ ~\\r\\n": "    tcp-check send ••••••",
    '    tcp-check send "AUTH ~\\r\\n"': "    tcp-check send ••••••",
    "    tcp-check send PASS\\ ~\\r\\n": "    tcp-check send ••••••",
    '    pw = ["x-~", "~"]': '    pw = ["••••••", "••••••"]',
    '    headers = { Authorization = "Bearer ~" }': '    headers = { Authorization = "•••••• }',
    '    "Authorization: Bearer ~"': '    "Authorization: ••••••"',
    '    password = "${var.x}~"': '    password = "••••••"',
    '    chpasswd = { list = ["root:~"] }': '    chpasswd = { list = ["••••••"] }',
    "curl -H 'Authorization: Bearer ~' https://example.org/": "curl -H 'Authorization: ••••••' https://example.org/",
    'curl -H "Cookie: a=~" https://example.org/': 'curl -H "Cookie: ••••••" https://example.org/',
    'curl -b "session=~" https://example.org/': 'curl -b "••••••" https://example.org/',
    "MYSQL_PWD=~ mysql mailcow": "MYSQL_PWD=••••••",
    "echo root:~ | chpasswd": "echo •••••• | chpasswd",
    "echo 'root:~' | chpasswd": "echo '••••••' | chpasswd",
    "chpasswd <<< root:~": "chpasswd <<< ••••••",
    "openssl enc -aes-256-cbc -pass pass:~ -in x": "openssl enc -aes-256-cbc -pass •••••• -in x",
    'command="run --password ~" ssh-ed25519 AAAA': 'command="run --password •••••• ssh-ed25519 AAAA',
    'read -r PASS <<< "~"': "read -r PASS <<< ••••••",
    "smtp_sasl_password_maps = static:bob:~": "smtp_sasl_password_maps = ••••••",
    "smtp_sasl_password_maps = inline:{[relay]:587=bob:~}": "smtp_sasl_password_maps = ••••••",
    'proxy_set_header Authorization "Basic ~";': "proxy_set_header Authorization ••••••",
    "fastcgi_param DB_PASSWORD ~;": "fastcgi_param DB_PASSWORD ••••••",
    'dsn = "root:~@db:3306/mailcow"': 'dsn = "••••••"',
    "Set-Cookie: session=~; Path=/": "Set-Cookie: ••••••",
    "Proxy-Authorization: Basic ~": "Proxy-Authorization: ••••••",
    "Authorization: Bearer ~": "Authorization: ••••••",
}
"""Forms of which more is hidden than the secret: the rest of the word, of the header or of the line."""

MORE_BELOW = {
    "folded": "password: >-\n  ••••••\n  ••••••\nport: 25",
    "items below": "tokens:\n  - ••••••\n  - ••••••\nport: 25",
    "items beside": "  tokens:\n  - ••••••\n  - ••••••\n  port: 25",
    "plain over lines": "password: ••••••\n  ••••••\nport: 25",
    "chpasswd of cloud-init": "chpasswd:\n  list: |\n    ••••••\n  expire: false\nport: 25",
    "quoted over lines": 'password: "••••••\n  ••••••\n  ••••••" \nport: 25',
    "dotenv over lines": "DBPASS='••••••\n••••••\n••••••'\nport=25",
    "continued": "DBPASS=••••••\n••••••\n••••••\nport=25",
    "items of JSON": '[\n  "--password",\n  ••••••,\n  "--port",\n  "25"\n]',
    "curl over lines": "curl -u \\\n  •••••• \\\n  port:25",
    "heredoc of HCL": "password = <<EOT\n••••••\n••••••\nEOT\nport = 25",
    "heredoc of a shell": "PASSWORD=$(cat ••••••\n••••••\nEOF\n)\nport=25",
    "heredoc for a program": "chpasswd ••••••\n••••••\nEOF\nport=25",
    "list of HCL": 'pw = [\n  "••••••",\n  "••••••",\n]\nport = 25',
    "state of a password": '{\n  "type": "random_password",\n  "instances": [{"••••••": {"••••••": "••••••"}}]\n}\n"port": 25',
    "postfix over lines": "smtp_sasl_password_maps = ••••••\n  ••••••\nport = 25",
    "key of RSA": "-----BEGIN RSA PRIVATE KEY-----\n••••••\n\n••••••\n-----END RSA PRIVATE KEY-----\nport = 25",
    "key of SSH2": "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n••••••\n••••••\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\nport = 25",
    "key of PGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n••••••\n\n••••••\n••••••\n-----END PGP PRIVATE KEY BLOCK-----\nport = 25",
    "key without a beginning": "••••••\n••••••\n-----END PRIVATE KEY-----\nport = 25",
    "key in YAML": "key: |\n  ••••••\n  ••••••\n  ••••••\nport: 25",
    "key in a remark": "# -----BEGIN PRIVATE KEY-----\n••••••\n••••••-----END PRIVATE KEY-----\nport = 25",
}
"""Blocks of which whole lines are hidden, by their names."""


def differing(expected: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Text → what is shown and what should be, where that differs."""
    shown = {text: mask(text) for text in expected}
    return {text: (shown[text], wanted) for text, wanted in expected.items() if shown[text] != wanted}


def test_of_each_form_the_secret_is_hidden_and_what_belongs_to_it() -> None:
    forms = lines(FORMS)
    assert MORE.keys() <= {*forms}
    expected = {form.replace(TILDE, SECRET): MORE.get(form, form.replace(TILDE, DOTS)) for form in forms}
    assert differing(expected) == {}


def test_of_each_block_all_is_hidden_to_its_end_and_nothing_behind_it() -> None:
    blocks = {name: text for name, text in BLOCKS.items() if name != "key on one line"}
    assert MORE_BELOW.keys() <= blocks.keys()
    expected = {
        text.replace(TILDE, SECRET): MORE_BELOW.get(name, text.replace(TILDE, DOTS)) for name, text in blocks.items()
    }
    assert differing(expected) == {}


def test_what_is_no_secret_stays_in_one_text_and_line_by_line() -> None:
    assert differing({line: line for line in lines(SHOWN)}) == {}


def test_a_shape_is_hidden_wherever_it_stands() -> None:
    secret = "N0tToBeSeen4711"
    texts = [base.format(form.replace(TILDE, secret)) for form in lines(SHAPES) for base in BASES]
    assert [text for text in texts if secret[5:] in mask(text)] == []


def test_lines_before_and_behind_a_secret_are_looked_at_as_if_alone() -> None:
    text = "\n".join(f"{form.replace(TILDE, SECRET)}\n" for form in lines(FORMS) if form.startswith("DB"))
    assert SECRET not in mask(text)
