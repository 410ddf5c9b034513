#!/bin/bash
set -euo pipefail
if [ -e /run/shared/docker-compose ]; then
    . /run/lab/conf/common.sh
    /run/lab/standins/systemctl start ssh
    /run/lab/conf/mailcow/docker.sh
    exit
fi
. /run/lab/conf/common.sh docker
folder=/opt/mailcow-dockerized
mkdir -p $folder/data/assets/ssl $folder/data/conf/dovecot /etc/ssl/mail
touch $folder/docker-compose.yml
install -m644 /run/shared/well.crt $folder/data/assets/ssl/cert.pem
install -m600 /run/shared/well.key $folder/data/assets/ssl/key.pem
mount --bind $folder/data/assets/ssl /etc/ssl/mail
systemctl=/run/lab/standins/systemctl
$systemctl start ssh

# the queue's folders are made by `postfix check`, before dovecot puts its socket into them
cp /run/lab/conf/mailcow/main.cf /run/lab/conf/mailcow/master.cf /etc/postfix/
rm -rf /etc/postfix/dynamicmaps.cf.d /etc/postfix/makedefs.out
echo 'postmaster: root' >/etc/aliases
chown postfix: /var/lib/postfix
newaliases
postfix check 2>/dev/null || :
cd $folder
docker compose start postfix-mailcow

rm -rf /etc/dovecot/*
cp /run/lab/conf/mailcow/dovecot.conf /etc/dovecot/dovecot.conf
ln -s $folder/data/conf/dovecot/extra.conf /etc/dovecot/extra.conf
echo 'haproxy_trusted_networks = 100.64.0.1' >$folder/data/conf/dovecot/extra.conf
: >/etc/dovecot/users
docker compose start dovecot-mailcow

mkdir -p /var/log/nginx
cp /run/lab/conf/mailcow/nginx.conf /etc/nginx/nginx.conf
docker compose start nginx-mailcow
