#!/usr/bin/env bash
# Asks what Mailcow's own script asks, of the environment first, and refuses what that refuses.
set -euo pipefail
cd "$(dirname "$0")"
for tool in openssl curl docker git awk sha1sum grep cut jq; do
    command -v $tool >/dev/null || { echo "Cannot find $tool, exiting..."; exit 1; }
done
version=$(docker version --format '{{.Server.Version}}' | cut -d. -f1)
[ "${version:-0}" -ge 24 ] || { echo "Your Docker version must be at least 24, exiting..."; exit 1; }
docker compose version >/dev/null || { echo "Cannot find Docker Compose, exiting..."; exit 1; }
if [ -f mailcow.conf ]; then
    read -r -p "A config file exists and will be overwritten, are you sure you want to continue? [y/N] " response
    case $response in [yY]*) mv mailcow.conf mailcow.conf_backup ;; *) exit 1 ;; esac
fi
echo "Press enter to confirm the detected value '[value]' where applicable or enter a custom value."
while [ -z "${MAILCOW_HOSTNAME:-}" ]; do read -r -p "Mail server hostname (FQDN): " MAILCOW_HOSTNAME; done
while [ -z "${MAILCOW_TZ:-}" ]; do read -r -p "Timezone [Etc/UTC]: " MAILCOW_TZ; MAILCOW_TZ=${MAILCOW_TZ:-Etc/UTC}; done
while [ -z "${MAILCOW_BRANCH:-}" ]; do read -r -p "Choose the Branch with its number [1/2] " MAILCOW_BRANCH; done
if [ -z "${SKIP_CLAMD:-}" ]; then read -r -p "Do you want to disable ClamAV now? [Y/n] " SKIP_CLAMD; fi
git fetch --all -q
git checkout -q -f "$MAILCOW_BRANCH"
random() { LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom 2>/dev/null | head -c 28 || :; }
cat >mailcow.conf <<CONF
# ------------------------------
# mailcow web ui configuration
# ------------------------------
MAILCOW_HOSTNAME=$MAILCOW_HOSTNAME

DBPASS=$(random)
DBROOT=$(random)
REDISPASS=$(random)

HTTP_PORT=80
HTTP_BIND=
HTTPS_PORT=443
HTTPS_BIND=
HTTP_REDIRECT=y
SMTP_PORT=25
SMTPS_PORT=465
SUBMISSION_PORT=587
IMAP_PORT=143
IMAPS_PORT=993
POP_PORT=110
POPS_PORT=995
SIEVE_PORT=4190
TZ=$MAILCOW_TZ
COMPOSE_PROJECT_NAME=mailcowdockerized
DOCKER_COMPOSE_VERSION=
IPV4_NETWORK=172.22.1
IPV6_NETWORK=fd4d:6169:6c63:6f77::/64
ENABLE_IPV6=false
SKIP_LETS_ENCRYPT=n
SKIP_CLAMD=$SKIP_CLAMD
CONF
chmod 600 mailcow.conf
mkdir -p data/assets/ssl
echo "Creating snake-oil certificate..."
openssl req -x509 -newkey rsa:2048 -keyout data/assets/ssl-example/key.pem -out data/assets/ssl-example/cert.pem -days 365 \
    -subj "/C=DE/ST=NRW/L=Willich/O=mailcow/OU=mailcow/CN=$MAILCOW_HOSTNAME" -sha256 -nodes 2>/dev/null
chmod 644 data/assets/ssl-example/key.pem
cp -n data/assets/ssl-example/*.pem data/assets/ssl/
