# ruff: noqa: E501
"""Secrets over several lines, and texts that an operator has to see: what is hidden to its end, and no further."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assets
from console.mask import DOTS, mask
from console.masking.found import LONGEST
from tests.console.test_mask import TILDE

# ruff: noqa: E501
BLOCKS = {
    "folded": "password: >-\n  ~ one\n  ~ two\nport: 25",
    "literal": "  passwd: |\n    ~\n\n    ~\n  port: 25",
    "literal with a remark": "token: |2- # x\n    ~\nport: 25",
    "tagged": "token: !!str |\n    ~\nport: 25",
    "item": "- password: >-\n    ~\n  port: 25",
    "plain on the next line": "password:\n  ~\nport: 25",
    "items below": "tokens:\n  - ~\n  - ~ x\nport: 25",
    "items beside": "  tokens:\n  - ~\n  - ~ x\n  port: 25",
    "nested": "password:\n  value: ~\n  description: the port is 25\nport: 25",
    "plain over lines": "password: ~\n  ~ x\nport: 25",
    "chpasswd of cloud-init": "chpasswd:\n  list: |\n    root:~\n  expire: false\nport: 25",
    "named beside": "- name: DB_PASSWORD\n  value: ~\n- name: PORT\n  value: 25",
    "quoted over lines": 'password: "~\n  ~ x\n  ~" \nport: 25',
    "dotenv over lines": "DBPASS='~\n~ x\n~'\nport=25",
    "shell over lines": 'TOKEN="~\n~" cmd\nport=25',
    "continued": "DBPASS=~\\\n~\\\n~\nport=25",
    "option, then value": "cmd --password \\\n  ~ \\\n  --port 25",
    "items of a command": "command:\n  - --password\n  - ~\n  - --port\n  - 25",
    "items of JSON": '[\n  "--password",\n  "~",\n  "--port",\n  "25"\n]',
    "curl over lines": "curl -u \\\n  bob:~ \\\n  port:25",
    "heredoc of HCL": "password = <<EOT\n~\n~ x\nEOT\nport = 25",
    "indented heredoc": "  private_key = <<-EOT\n    ~\n  EOT\n  port = 25",
    "heredoc in a call": "password = trimspace(<<EOT\n~\nEOT\n)\nport = 25",
    "heredoc of a shell": "PASSWORD=$(cat <<'EOF'\n~\nEOF\n)\nport=25",
    "heredoc for a program": "chpasswd <<EOF\nroot:~\nEOF\nport=25",
    "heredoc into a file": "cat > /run/secrets/db_password <<EOF\n~\nEOF\nport=25",
    "here-document of tee": "tee /etc/app/token.txt <<-'END' >/dev/null\n\t~\n\tEND\nport=25",
    "secrets of HCL": 'locals {\n  secrets = {\n    a = "~"\n    b = {\n      c = "~"\n    }\n  }\n}\nport = 25',
    "list of HCL": 'pw = [\n  "~",\n  "~ x",\n]\nport = 25',
    "variable": 'variable "root_password" {\n  type = string\n  default = "~"\n}\nport = 25',
    "sensitive before": 'variable "x" {\n  sensitive = true\n  default = "~"\n}\nport = 25',
    "sensitive behind": 'variable "x" {\n  default = {\n    a = "~"\n    b = ["~"]\n  }\n  sensitive = true\n}\nport = 25',
    "sensitive without its beginning": '  default = "~"\n  sensitive   = true',
    "output": 'output "token" {\n  value = "~"\n}\nport = 25',
    "resource": 'resource "vault_generic_secret" "db" {\n  data_json = "~"\n}\nport = 25',
    "labelled resource": 'resource "null_resource" "admin_token" {\n  triggers = {\n    x = "~"\n  }\n}\nport = 25',
    "heredoc in a variable": 'variable "api_key" {\n  default = <<EOT\n~\nEOT\n}\nport = 25',
    "state": '"outputs": {\n  "root_password": {\n    "value": "~",\n    "type": "string",\n    "sensitive": true\n  }\n},\n"port": 25',
    "state on one line": '{"outputs":{"root_password":{"value":"~","type":"string","sensitive":true}},"port":25}',
    "sensitive in JSON": '{\n  "x": {\n    "value": "~",\n    "sensitive": true\n  }\n}\n"port": 25',
    "state of a password": '{\n  "type": "random_password",\n  "instances": [{"attributes": {"result": "~"}}]\n}\n"port": 25',
    "map of secrets": 'secrets = {\n  db_password = "~"\n}\nport = 25',
    "postfix over lines": "smtp_sasl_password_maps = static:bob:~\n  ~\nport = 25",
    "key": "-----BEGIN PRIVATE KEY-----\n~\n~\n-----END PRIVATE KEY-----\nport = 25",
    "key of RSA": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n~\n-----END RSA PRIVATE KEY-----\nport = 25",
    "key of OpenSSH": "-----BEGIN OPENSSH PRIVATE KEY-----\n~\n-----END OPENSSH PRIVATE KEY-----\nport = 25",
    "key of SSH2": "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\n~\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\nport = 25",
    "key of PGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n~\n=~\n-----END PGP PRIVATE KEY BLOCK-----\nport = 25",
    "key of OpenVPN": "-----BEGIN OpenVPN Static key V1-----\n~\n-----END OpenVPN Static key V1-----\nport = 25",
    "key without an end": "-----BEGIN EC PRIVATE KEY-----\n~\n~",
    "key without a beginning": "MIIBszCCAVmg~AwIBAgIU\nZ2hpamtsbW5v~cHFyc3R1\n-----END PRIVATE KEY-----\nport = 25",
    "key in YAML": "key: |\n  -----BEGIN PRIVATE KEY-----\n  ~\n  -----END PRIVATE KEY-----\nport: 25",
    "key on one line": 'x = "-----BEGIN PRIVATE KEY-----\\n~\\n-----END PRIVATE KEY-----\\n"\nport = 25',
    "key in a remark": "# -----BEGIN PRIVATE KEY-----\n# ~\n# -----END PRIVATE KEY-----\nport = 25",
    "key of PuTTY": "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 2\n~\n~\nport: 25",
    "key behind a certificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n~\n"
    "-----END PRIVATE KEY-----\nport = 25",
    "carriage returns": "password: >-\r\n  ~\r\nport: 25",
    "letters that grow": "İİİİİİİİİ\nDBPASS=~\nport=25",
}  # fmt: skip


@pytest.mark.parametrize("secret", ["hunter2x", "Zq9planted"])
@pytest.mark.parametrize("text", BLOCKS.values(), ids=BLOCKS)
def test_a_value_is_hidden_to_its_end_and_no_further(text: str, secret: str) -> None:
    shown = mask(text.replace(TILDE, secret))
    assert secret not in shown
    assert DOTS in shown
    assert shown.count("\n") == text.count("\n")
    if "25" in text:
        assert "25" in shown.split("\n")[-1] or "25" in shown


@pytest.mark.parametrize("text", BLOCKS.values(), ids=BLOCKS)
def test_what_is_masked_stays_so(text: str) -> None:
    shown = mask(text.replace(TILDE, "hunter2x"))
    assert mask(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUZ2hpamtsbW5v\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIBszCCAVmgAwIBAgIUZ2hpamtsbW5v\n-----END PUBLIC KEY-----",
        "services:\n  web:\n    secrets:\n      - db_password\nsecrets:\n  db_password:\n    file: ./db_password.txt",
        'variable "volume_size" {\n  default = "50GiB"\n}',
        'output "address" {\n  value = incus_instance.mailcow.ipv4_address\n}',
        'variable "root_password" {\n  type      = string\n  sensitive = true\n}\n\nvariable "size" {\n  default = "50GiB"\n}',
        "frontend f\n    http-request auth realm x if { path /x }\n    acl a hdr(host) -i mail.example.org",
        "passdb {\n  driver = passwd-file\n  args = /etc/dovecot/users\n}",
        "auth:\n  type: basic\n  url: https://example.org/",
        "cat <<EOF\nmail.example.org 25\nEOF",
        "ports:\n  - 25:25\n  - \"127.0.0.1:10143:10143\"",
        "if ! grep -q -- '-----BEGIN PRIVATE KEY-----' \"$input\"; then\n  echo \"no key came\" >&2\n  exit 1\nfi",
    ],
)  # fmt: skip
def test_what_an_operator_has_to_see_is_shown(text: str) -> None:
    assert mask(text) == text


def test_the_sample_estate_has_nothing_to_hide() -> None:
    for file in (Path(assets.__file__).parent / "lab").iterdir():
        assert mask(file.read_text()) == file.read_text()


def test_a_line_too_long_to_look_through_is_hidden_whole_and_says_so() -> None:
    line = "bind :25 " + "a." * LONGEST + " hunter2"
    shown = mask(f"listen x\n{line}\n    mode tcp")
    assert shown.split("\n")[::2] == ["listen x", "    mode tcp"]
    assert "hunter2" not in shown and f"({len(line)} characters in one line: too many" in shown
    assert mask(shown) == shown


def test_what_a_line_that_is_too_long_leaves_open_is_hidden_below_it() -> None:
    long = "a." * LONGEST
    assert "hunter2" not in mask(f'x = "{long}" # \npassword = """{long}\nhunter2"""')
    assert "hunter2" not in mask(f"echo {long} -----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----")
    assert "hunter2" not in mask(f"curl {long} --password \\\n  hunter2")


@given(st.text())
def test_lines_stay_lines(text: str) -> None:
    assert mask(text).count("\n") == text.count("\n")
