#!/bin/sh
# certbot's deploy hook on the proxy: gives a renewed certificate to HAProxy and to the mail host. Laid here by cowhand.
#
#   RENEWED_LINEAGE=/etc/letsencrypt/live/NAME mailcow-cert-push.sh
#
# certbot runs it for every lineage; of all but the one in /etc/cowhand/certificate.conf it takes no notice. The lines of
# that file are `key = value`, `#` begins a comment:
#   lineage = /etc/letsencrypt/live/mail.example.org    the lineage that is ours
#   name = mail.example.org                             asked for in handshakes
#   target = root@10.10.10.214                          the mail host, where mailcow-cert-deploy.sh is laid
#   port = 22                                           of its sshd (default 22)
#   key = /root/.ssh/id_ed25519_mailcow_deploy          the key that may run that script, and nothing else
#   known_hosts = /etc/cowhand/certificate_known_hosts  the mail host's key: no other is believed
#   bundle = /etc/haproxy/certs/mail.example.org.pem    HAProxy's own file; several, or none
#   config = /etc/haproxy/haproxy.cfg                   what haproxy -c is given; several; this one by default
#   served = 127.0.0.1:443                              where HAProxy must show it after the reload; several, or none
#   mail = root                                         who is told of a failure (default root; - for nobody)
#
# certbot says "Congratulations" when a hook fails. So a failure is told by the exit status, on standard error, in the
# log, by mail where there is a mailer, and in /var/lib/cowhand/certificate/state, which everybody may read and which
# holds no secret: lines key=value, described in console/sources/certificate_push.py.
#   0 done, or not ours     2 settings     11 another push runs     20 the lineage's own files     21 HAProxy
#   22 the mail host was not reached     23 it refused     24 the state cannot be written
# HAProxy's part and the mail host's do not wait for each other: when one fails the other is still done. All paths are
# below what stands before /etc/letsencrypt/ of this file's own path: nothing on a host, a folder in tests.
set -uf
umask 077
queue=300   # seconds to wait for another push
patience=300 # seconds for the mail host's answer
tries=3     # when it is not reached
pause=20    # seconds between them
settle=20   # seconds until HAProxy must show the new certificate

case $0 in
*/etc/letsencrypt/*) root=${0%/etc/letsencrypt/*} ;;
*) root= ;;
esac
LC_ALL=C
PATH=$root/usr/local/sbin:$root/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
unset IFS CDPATH ENV BASH_ENV OPENSSL_CONF SSH_AUTH_SOCK
unset chain secret half # what the caller has exported would hand them on to every command
nl='
'
conf=$root/etc/cowhand/certificate.conf
store=$root/var/lib/cowhand/certificate
stage=- status=0 reason='' remote=- mailed=- fingerprint='' until=''
lineage='' name='' target='' port=22 key='' known_hosts='' bundle='' config='' served='' mail=root

now() {
  date -u +%Y-%m-%dT%H:%M:%SZ
}

plain() { # prints a text as one line of printable ASCII
  printf '%s\n' "$1" | tr '\t\n' '  ' | tr -cd ' -~' | cut -c 1-300 | sed 's/ *$//'
}

before() { # before KEY: prints its value in the state that was left last
  sed -n "s/^$1=//p" "$store/state" 2>/dev/null | head -n 1
}

record() { # record RESULT: status 1 when it cannot be written
  succeeded=$(before succeeded) succeeded_fingerprint=$(before succeeded_fingerprint) since=$(before since)
  case $1 in
  ok) succeeded=$(now) succeeded_fingerprint=$fingerprint since='' ;;
  failed) since=${since:-$(now)} ;;
  esac
  cat >"$store/state.new" <<EOS && chmod 644 "$store/state.new" && sync "$store/state.new" &&
version=1
result=$1
when=$(now)
stage=$stage
status=$status
remote=$remote
reason=$(plain "$reason")
lineage=$lineage
name=$name
target=$target
fingerprint=$fingerprint
not_after=$until
succeeded=$succeeded
succeeded_fingerprint=$succeeded_fingerprint
since=$since
mailed=$mailed
EOS
    mv -f -- "$store/state.new" "$store/state"
}

failed() { # failed STAGE STATUS WORDS: the first of them counts, the words of all are told
  if [ "$status" = 0 ]; then stage=$1 status=$2 reason=$3; else reason="$reason; $3"; fi
}

post() { # to whom it concerns, where there is a mailer
  [ "$mail" != - ] || return 0
  mailed=no
  words="cowhand: the certificate ${name:-of this host} was not deployed"
  if command -v sendmail >/dev/null; then
    printf 'To: %s\nSubject: %s\n\n%s\n\nThe state is in %s.\n' "$mail" "$words" "$(plain "$reason")" "$store/state" |
      timeout -s KILL 30 sendmail -i -- "$mail" >/dev/null 2>&1 && mailed=yes
  elif command -v mail >/dev/null; then
    printf '%s\n\nThe state is in %s.\n' "$(plain "$reason")" "$store/state" |
      timeout -s KILL 30 mail -s "$words" -- "$mail" >/dev/null 2>&1 && mailed=yes
  fi
  return 0
}

finish() { # tells how it ended
  if [ "$status" = 0 ]; then
    record ok || failed state 24 "$store/state cannot be written"
  fi
  if [ "$status" != 0 ]; then
    post
    record failed 2>/dev/null || reason="$reason; $store/state cannot be written"
    plain "certificate push: $reason" >&2
    [ ! -S "$root/dev/log" ] || timeout -s KILL 5 logger -t mailcow-cert-push -p mail.err -- "$(plain "$reason")" 2>/dev/null
  fi
  exit "$status"
}

# ── the settings ─────────────────────────────────────────────────────────────────────────────────────────────────────

settings() { # status 1: wrong says why
  wrong="$conf cannot be read"
  [ -r "$conf" ] || return 1
  number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%%#*}
    word=$(printf '%s\n' "${line%%=*}" | tr -d ' \t')
    value=$(printf '%s\n' "${line#*=}" | sed 's/^[ \t]*//; s/[ \t]*$//')
    case $line in
    *=*) ;;
    *[!\ ]*) wrong="$conf:$number: not key = value" && return 1 ;;
    *) continue ;;
    esac
    wrong="$conf:$number: this value of $(plain "$word") cannot be used"
    case $word in
    lineage | key | known_hosts | bundle | config) case $value in /*) ;; *) return 1 ;; esac ;;
    port) case $value in *[!0-9]*) return 1 ;; esac ;;
    name | target | served | mail) ;;
    *) wrong="$conf:$number: unknown key: $(plain "$word")" && return 1 ;;
    esac
    case $word$value in
    mail-) ;;
    *[!A-Za-z0-9@%_+:,./-]* | "$word" | "$word"-*) case $word$value in served\[*\]:*) ;; *) return 1 ;; esac ;;
    esac
    case $word in
    bundle | config | served) eval "$word=\"\$$word \$value\"" ;;
    *) eval "$word=\$value" ;;
    esac
  done <"$conf"
  for word in lineage name target key known_hosts; do
    wrong="$conf: $word is missing"
    eval "[ -n \"\$$word\" ]" || return 1
  done
  config=${config:-/etc/haproxy/haproxy.cfg}
}

# ── the lineage ──────────────────────────────────────────────────────────────────────────────────────────────────────

read_pair() { # sets pair, whole, fingerprint and until; status 1: wrong says why
  live=$root$lineage
  wrong="$live/fullchain.pem or privkey.pem cannot be read"
  chain=$(cat "$live/fullchain.pem" 2>/dev/null) && secret=$(cat "$live/privkey.pem" 2>/dev/null) || return 1
  wrong="the certificate in $live cannot be read"
  told=$(printf '%s\n' "$chain" | openssl x509 -noout -fingerprint -sha256 -enddate -dateopt iso_8601 2>/dev/null) ||
    return 1
  fingerprint=$(printf '%s\n' "$told" | sed -n 's/^sha256 Fingerprint=//ip' | tr -d ':' | tr A-F a-f)
  until=$(printf '%s\n' "$told" | sed -n 's/^notAfter=\(.*\) \(.*Z\)$/\1T\2/p')
  wrong="the key in $live does not belong to the certificate"
  half=$(printf '%s\n' "$secret" | openssl pkey -pubout -passin pass: 2>/dev/null) || return 1
  [ "$half" = "$(printf '%s\n' "$chain" | openssl x509 -noout -pubkey 2>/dev/null)" ] || return 1
  wrong="the certificate in $live has expired"
  printf '%s\n' "$chain" | openssl x509 -noout -checkend 0 >/dev/null 2>&1
}

# ── HAProxy ──────────────────────────────────────────────────────────────────────────────────────────────────────────

others() { # others FOLDER: whether another user could change it, or lay another in its place
  where=$(cd -P -- "$1" 2>/dev/null && pwd) || return 1 # it is not there: that is told where it is written
  last=yes
  while :; do
    told=$(stat -c '%u %a' -- "$where") || return 0
    case ${told% *} in 0 | "$(id -u)") ;; *) return 0 ;; esac
    # Anybody may write in a folder like /tmp, and move nothing of root's there; a bundle's own folder is none.
    case $last${told#* } in no1???) ;; *[2367]? | *[2367]) return 0 ;; esac
    [ "$where" != / ] || return 1
    where=${where%/*} last=no
    where=${where:-/}
  done
}

write_beside() { # each bundle anew, in a folder beside it that HAProxy does not read; status 1: wrong says why
  for each in $bundle; do
    file=$root$each beside=$root${each%/*}/.cowhand
    # Who may change the folder could have the key written elsewhere, and given away whatever file is root's.
    wrong="${file%/*} is not a folder that root alone can change: chown root it, or chmod go-w"
    ! others "${file%/*}" || return 1
    wrong="${file%/*} cannot be written"
    mkdir -p -- "$beside" 2>/dev/null || return 1
    new=$beside/${file##*/}
    printf '%s\n%s\n' "$chain" "$secret" 2>/dev/null >"$new" && [ "$(cat "$new")" = "$chain$nl$secret" ] ||
      return 1
    if [ -e "$file" ]; then
      chown --reference="$file" -- "$new" && chmod --reference="$file" -- "$new" && cp -p -- "$file" "$new.before" &&
        cmp -s "$file" "$new.before" || return 1
    fi 2>/dev/null
    sync "$new" || return 1
    wrong="haproxy -c refuses the bundle for $file"
    printf 'defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n%s\n  bind %s\n' \
      'listen try' "127.0.0.1:1 ssl crt $new" >"$beside/try.cfg" &&
      timeout -s KILL 60 haproxy -c -f "$beside/try.cfg" >/dev/null 2>&1 || return 1
    rm -f -- "$beside/try.cfg"
  done
}

reload() { # status 1: wrong says why
  set --
  for each in $config; do
    set -- "$@" -f "$root$each"
  done
  wrong='haproxy -c refuses the configuration'
  timeout -s KILL 60 haproxy -c "$@" >/dev/null 2>&1 || return 1
  wrong='systemctl reload haproxy failed'
  timeout -s KILL 60 systemctl reload haproxy >/dev/null 2>&1
}

shown() { # whether every place of `served` shows the new one; status 1: wrong says why
  times=0
  for each in $served; do
    until told=$(timeout -s KILL 10 openssl s_client -no-CAfile -no-CApath -no-CAstore -connect "$each" \
      -servername "$name" </dev/null 2>/dev/null) &&
      told=$(printf '%s\n' "$told" | openssl x509 -noout -fingerprint -sha256 2>/dev/null) &&
      [ "$(printf '%s\n' "${told#*=}" | tr -d ':' | tr A-F a-f)" = "$fingerprint" ]; do
      wrong="HAProxy does not show it on $each"
      [ "$times" -lt "$settle" ] || return 1
      times=$((times + 1))
      sleep 1
    done
  done
}

clear_beside() {
  for each in $bundle; do
    ! others "$root${each%/*}" || continue
    rm -rf -- "$root${each%/*}/.cowhand"
  done
}

take_back() { # the bundles as they were
  for each in $bundle; do
    file=$root$each old=$root${each%/*}/.cowhand/${each##*/}.before
    if [ -e "$old" ]; then mv -f -- "$old" "$file"; else rm -f -- "$file"; fi || return 1
  done
}

put_in_place() { # status 1: wrong says why
  for each in $bundle; do
    wrong="$root$each cannot be written"
    mv -f -- "$root${each%/*}/.cowhand/${each##*/}" "$root$each" 2>/dev/null && sync "$root${each%/*}" || return 1
  done
}

to_haproxy() { # status 1: wrong says why, and what is so now
  [ -n "$bundle" ] || return 0
  clear_beside
  if ! write_beside; then
    clear_beside
    wrong="$wrong: HAProxy was left as it is"
    return 1
  fi
  reloaded=
  if put_in_place && reload && reloaded=yes && shown; then
    clear_beside
    return 0
  fi
  why=$wrong
  if ! take_back; then
    wrong="$why; the bundle before could not be put back from .cowhand beside it"
    return 1
  fi
  clear_beside
  [ -z "$reloaded" ] || reload || why="$why, and on the way back $wrong"
  wrong="$why: the bundle before is back"
  return 1
}

# ── the mail host ────────────────────────────────────────────────────────────────────────────────────────────────────

to_mail_host() { # sets remote and said
  count=0
  while :; do
    count=$((count + 1))
    # The end alone is kept: a mail host that talks for all its time must not fill this one's memory.
    said=$({ printf '%s\n---\n%s\n' "$chain" "$secret" | timeout -s KILL "$patience" ssh -F none -T -a -x -i "$root$key" \
      -p "$port" -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15 \
      -o "UserKnownHostsFile=$root$known_hosts" -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no \
      -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o ClearAllForwardings=yes -- "$target" 2>&1 >/dev/null
      echo "=$?"; } | tail -c 4096)
    remote=${said##*=}
    said=${said%=*}
    said=$(plain "$(printf %s "$said" | tail -n 1)")
    [ "$remote" = 255 ] && [ "$count" -lt "$tries" ] || return 0
    sleep "$pause"
  done
}

push() {
  to_mail_host
  case $remote:$said in
  0:*) ;;
  255:*'Permission denied'*) failed push 22 "$target did not let the key in: $said" ;;
  255:*'Host key verification failed'*) failed push 22 "$target has another host key than the one that is pinned" ;;
  255:* | 137:*) failed push 22 "$target was not reached: ${said:-no answer}" ;;
  *) failed push 23 "$target did not take it (status $remote): ${said:-it did not say why}" ;;
  esac
}

if [ -z "${RENEWED_LINEAGE-}" ]; then
  echo 'RENEWED_LINEAGE is not set: certbot sets it; by hand it is the folder in live/' >&2
  exit 2
fi
trap : HUP INT QUIT TERM PIPE XFSZ
settings
usable=$?
[ "$usable" != 0 ] || [ "${RENEWED_LINEAGE%/}" = "$root${lineage%/}" ] || exit 0
# Everybody may go in and read the state; what else is written there is for root alone.
(umask 022 && mkdir -p -- "$store") 2>/dev/null
if ! : 2>/dev/null >>"$store/push.lock"; then
  failed state 24 "$store cannot be written"
  finish
fi
exec 9>>"$store/push.lock"
if ! flock -w "$queue" 9; then
  echo "certificate push: another one has run for $queue seconds" >&2
  exit 11
fi
[ "$usable" = 0 ] || {
  lineage='' name='' target='' mail=root
  failed settings 2 "$wrong"
  finish
}
record running || failed state 24 "$store/state cannot be written"
if read_pair; then
  to_haproxy || failed haproxy 21 "$wrong"
  push
else
  failed lineage 20 "$wrong"
fi
finish
