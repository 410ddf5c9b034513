"""Sets of compose files that touch every rule of merging; `docker compose config` has answered each of them.

A case is file → text; `base.yml` is read first, then `over.yml` when there is one."""

from __future__ import annotations

BASE = """
services:
  web:
    image: nginx
    command: ["run", "it"]
    ports:
      - "8080:80"
      - "127.0.0.1:8443:443"
    environment:
      A: "1"
      B: two
    volumes:
      - ./one:/data
      - named:/var
    labels: { x: "1" }
    depends_on: [db]
    dns: 1.1.1.1
  db:
    image: postgres
    environment: [P=1, Q]
volumes:
  named:
"""

CASES: dict[str, dict[str, str]] = {
    "alone": {"base.yml": BASE},
    "ports add up": {"base.yml": BASE, "over.yml": 'services:\n  web:\n    ports: ["9090:90", "8080:80"]\n'},
    "ports in both ways of writing": {
        "base.yml": BASE,
        "over.yml": "services:\n  web:\n    ports:\n      - {target: 80, published: 8081, host_ip: 10.0.0.1}\n"
        '      - {target: 90, published: "9000-9001", protocol: udp}\n',
    },
    "ports overridden": {"base.yml": BASE, "over.yml": 'services:\n  web:\n    ports: !override ["1:1"]\n'},
    "ports reset": {"base.yml": BASE, "over.yml": "services:\n  web:\n    ports: !reset []\n"},
    "an inner key reset": {"base.yml": BASE, "over.yml": "services:\n  web:\n    environment:\n      A: !reset null\n"},
    "a service reset": {
        "base.yml": BASE,
        "over.yml": "services:\n  db: !reset null\n  web:\n    depends_on: !reset []\n",
    },
    "environment by name": {
        "base.yml": BASE,
        "over.yml": "services:\n  web:\n    environment: [A=9, C=3]\n  db:\n    environment: { Q: set, R: null }\n",
    },
    "environment overridden": {
        "base.yml": BASE,
        "over.yml": "services:\n  web:\n    environment: !override\n      Z: 26\n",
    },
    "volumes by target": {
        "base.yml": BASE,
        "over.yml": "services:\n  web:\n    volumes: ['./other:/data:ro', './three:/three']\n",
    },
    "command replaced": {"base.yml": BASE, "over.yml": "services:\n  web:\n    command: sleep 1\n    image: other\n"},
    "a list over a text": {"base.yml": BASE, "over.yml": "services:\n  web:\n    dns: [8.8.8.8, 1.1.1.1]\n"},
    "nothing over something": {"base.yml": BASE, "over.yml": "services:\n  web:\n    ports:\n    environment:\n"},
    "a service more": {"base.yml": BASE, "over.yml": "services:\n  more:\n    image: busybox\n    ports: ['5:5']\n"},
    "every form of variable": {
        "base.yml": """
services:
  web:
    image: "${IMAGE:-nginx}"
    ports:
      - "${BIND-127.0.0.1}:${PORT:-25}:25"
      - "${SMTP_PORT:?set it}:26"
      - "${NONE:-${DEEP:-${PORT2}}}:27"
    environment:
      A: "${SET}"
      B: "${SET:+yes}${NONE:+no}"
      C: "$$SET $SET"
      D: "${EMPTY-default}${EMPTY:-default}"
      E: ${NONE}
""",
        ".env": "SET=value\nEMPTY=\nSMTP_PORT=10.0.0.1:2525\nPORT2=2727\n",
    },
    "an .env with quotes and comments": {
        "base.yml": 'services:\n  web:\n    image: x\n    environment:\n      A: "${A}"\n      B: "${B}"\n'
        '      C: "${C}"\n      D: "${D}"\n',
        ".env": '# head\nA=\'single ${B}\'\nB="double \\"q\\""\nexport C=plain # comment\nD=${C}-more\n',
    },
    "a variable that must be set": {"base.yml": 'services:\n  web:\n    image: "${NONE:?say which}"\n'},
    "a dollar alone": {"base.yml": 'services:\n  web:\n    image: "a${"\n'},
    "extends in the same file": {
        "base.yml": """
services:
  common:
    image: base
    ports: ["1:1"]
    environment: { A: "1", B: "1" }
  web:
    extends: common
    ports: ["2:2"]
    environment: { B: "2" }
""",
    },
    "extends another file": {
        "base.yml": "services:\n  web:\n    extends: { file: sub/common.yml, service: app }\n    environment: [C=3]\n",
        "sub/common.yml": "services:\n  app:\n    image: app\n    env_file: app.env\n    environment: [A=1]\n"
        "    ports: ['1:1']\n",
        "sub/app.env": "FROM_FILE=yes\nA=file\n",
    },
    "extends and override": {
        "base.yml": "services:\n  a:\n    image: x\n    ports: ['1:1']\n  b:\n    extends: {service: a}\n",
        "over.yml": "services:\n  b:\n    ports: !override ['2:2']\n",
    },
    "extends what is not there": {"base.yml": "services:\n  b:\n    image: x\n    extends: {service: a}\n"},
    "include": {
        "base.yml": "include: [sub/more.yml]\nservices:\n  web:\n    image: x\n",
        "sub/more.yml": 'services:\n  more:\n    image: y\n    ports: ["${PORT}:1"]\n    environment: ["F=${FROM}"]\n',
        "sub/.env": "PORT=1111\nFROM=sub\n",
        ".env": "FROM=top\n",
    },
    "include with a file of variables": {
        "base.yml": "include:\n  - path: [sub/more.yml, sub/over.yml]\n    env_file: vars\n"
        "services:\n  web: {image: x}\n",
        "sub/more.yml": 'services:\n  more:\n    image: y\n    ports: ["${PORT}:1"]\n',
        "sub/over.yml": "services:\n  more:\n    ports: ['2222:2']\n",
        "vars": "PORT=3333\n",
    },
    "env files": {
        "base.yml": """
services:
  web:
    image: x
    env_file:
      - one.env
      - path: two.env
      - path: gone.env
        required: false
    environment:
      OWN: "1"
      BOTH: own
""",
        "one.env": "ONE=1\nBOTH=file\nREF=${SET}\n",
        "two.env": "TWO=2\nONE=two\n",
        ".env": "SET=value\n",
    },
    "an env file that is not there": {"base.yml": "services:\n  web:\n    image: x\n    env_file: gone.env\n"},
    "env files of both": {
        "base.yml": "services:\n  web:\n    image: x\n    env_file: one.env\n",
        "over.yml": "services:\n  web:\n    env_file: [two.env]\n",
        "one.env": "A=1\nB=1\n",
        "two.env": "B=2\n",
    },
    "anchors and merged mappings": {
        "base.yml": """
x-common: &common
  image: x
  environment: &env { A: "1", B: "1" }
services:
  web:
    <<: *common
    environment:
      <<: *env
      B: "2"
    ports: ["1:1"]
""",
    },
    "a range of ports": {
        "base.yml": "services:\n  web:\n    image: x\n    ports: ['3000-3002:4000-4002', '7:7/udp']\n"
    },
    "a port of the container only": {
        "base.yml": "services:\n  web:\n    image: x\n    ports: ['80', '127.0.0.1::81']\n"
    },
    "a port of version 6": {"base.yml": "services:\n  web:\n    image: x\n    ports: ['[::1]:25:25']\n"},
    "a port of version 6 without brackets": {
        "base.yml": "services:\n  web:\n    image: x\n    ports: ['::1:26:26']\n",
    },
    "no port": {"base.yml": "services:\n  web:\n    image: x\n    ports: ['x:1']\n"},
    "a port too large": {"base.yml": "services:\n  web:\n    image: x\n    ports: ['70000:1']\n"},
    "a list over a mapping": {"base.yml": BASE, "over.yml": "services:\n  web:\n    labels: ['x=2', 'y=3']\n"},
    "a name twice": {"base.yml": "services:\n  web:\n    image: x\n    image: y\n"},
}
