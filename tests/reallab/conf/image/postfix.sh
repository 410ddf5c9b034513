#!/bin/bash
# Starts Postfix as Mailcow's container does: main.cf is its base plus extra.cf, in which no line sets myhostname but ours.
conf=/opt/postfix/conf
trap 'postfix -c $conf stop' EXIT
sed -i '/Overrides/q' $conf/main.cf
printf '\n\n# User Overrides\n' >>$conf/main.cf
touch $conf/extra.cf
sed -i '/\$myhostname/! { /myhostname/d }' $conf/extra.cf
printf 'myhostname = %s\n%s\n' "$MAILCOW_HOSTNAME" "$(cat $conf/extra.cf)" >$conf/extra.cf
cat $conf/extra.cf >>$conf/main.cf
newaliases
chown postfix: /var/lib/postfix
if ! postconf -c $conf >/dev/null; then
    echo "Postfix configuration error, refusing to start."
    exit 1
fi
# an smtpd that cannot ask Dovecot who may submit ends, and master starts no other for a minute
for _ in $(seq 50); do (: <>/dev/tcp/dovecot/10001) 2>/dev/null && break; sleep 0.1; done
postfix -c $conf start
sleep infinity
