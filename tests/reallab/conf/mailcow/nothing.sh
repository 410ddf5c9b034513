#!/bin/bash
# Leaves the VM as it is before Mailcow is installed: Docker with the one image, a volume at /opt, and /srv/mailcow.git to clone
# from, in the shape of Mailcow's repository. Two of its services have an image that only a registry has, on 127.0.0.1:5000.
set -euo pipefail
folder=/opt/mailcow-dockerized small=127.0.0.1:5000/reallab/sleep:1
(cd $folder && docker compose down --volumes --remove-orphans --timeout 0)
rm -rf $folder $folder.cowhand-new /srv/mailcow.git /tmp/remote /tmp/small
mountpoint -q /opt || mount -t tmpfs -o mode=755 opt /opt

cp -r /run/lab/conf/stack /tmp/remote
cd /tmp/remote
rm mailcow.conf
ln -s mailcow.conf .env
cp /run/lab/conf/mailcow/generate_config.sh .
mkdir -p data/assets/ssl-example
install -m644 /run/shared/well.crt data/assets/ssl-example/cert.pem
install -m644 /run/shared/well.key data/assets/ssl-example/key.pem
awk -v small=$small '/^    [a-z]/ {name = $1} /image:/ && name ~ /unbound|memcached/ {sub(/reallab.*/, small)}
    {sub(/interval: 30s/, "interval: 1s")} 1' \
    docker-compose.yml >changed
mv changed docker-compose.yml
printf 'mailcow.conf\ndata/assets/ssl\n' >.gitignore
git init -q -b master
git add .
git -c user.name=lab -c user.email=lab@lab.test commit -q -m 'Shaped like Mailcow'
git tag 2026-08
git clone -q --bare . /srv/mailcow.git

docker image inspect $small >/dev/null 2>&1 && docker rmi $small >/dev/null
curl -sf http://127.0.0.1:5000/v2/ >/dev/null && exit
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp/registry}}\nhttp: {addr: "127.0.0.1:5000"}\n' >/tmp/registry.yml
setsid docker-registry serve /tmp/registry.yml >/var/log/registry.log 2>&1 &
for _ in $(seq 500); do curl -sf http://127.0.0.1:5000/v2/ >/dev/null && break; sleep 0.02; done
for file in /usr/bin/busybox $(ldd /usr/bin/busybox | grep -o '/[^ ]*'); do install -D "$file" "/tmp/small$file"; done
for name in sleep true sh; do ln -s busybox /tmp/small/usr/bin/$name; done
ln -s usr/bin /tmp/small/bin
tar -C /tmp/small -c . | docker import - $small >/dev/null
docker push -q $small >/dev/null
docker rmi $small >/dev/null
