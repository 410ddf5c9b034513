# What every machine with an sshd has: stand-ins, a log, users, keys. Sourced by the machines' start.sh.
for name in "$@"; do ln -sf "/run/lab/standins/$name" "/usr/local/bin/$name"; done
rm -f /dev/log
setsid /run/lab/standins/syslog /dev/log >/dev/null 2>&1 &
for _ in $(seq 200); do [ -S /dev/log ] && break; sleep 0.02; done

# root by key; cow needs no password for sudo, ox does (moo)
cat >/etc/sudoers <<'SUDOERS'
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
cow ALL=(ALL:ALL) NOPASSWD: ALL
ox ALL=(ALL:ALL) ALL
SUDOERS
chmod 440 /etc/sudoers
rm -rf /etc/sudoers.d
for user in cow ox; do
    id "$user" >/dev/null 2>&1 || useradd --no-log-init -s /bin/bash -d "/home/$user" "$user"
    mkdir -p "/home/$user/.ssh"
    cp /run/shared/oper.pub "/home/$user/.ssh/authorized_keys"
    chown -R "$user:" "/home/$user"
    chmod 700 "/home/$user/.ssh"
done
usermod -p '*' root
usermod -p '*' cow
usermod -p "$(openssl passwd -6 moo)" ox
mkdir -p /root/.ssh
chmod 700 /root/.ssh
cp /run/shared/oper.pub /root/.ssh/authorized_keys

install -m600 "/run/shared/$(hostname)_host_key" /etc/ssh/lab_host_key
rm -rf /etc/ssh/sshd_config.d
cat >/etc/ssh/sshd_config <<'SSHD'
HostKey /etc/ssh/lab_host_key
PidFile /run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
Subsystem sftp internal-sftp
SSHD
