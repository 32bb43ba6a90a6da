#!/bin/bash
# Installs Listener by docs/install-systemd.md word for word and proves the unit: READY, a message, reload, credentials, rotation,
# watchdog, kill, backup and restore, a lost state directory, stop. Runs as root inside a booted systemd that may be thrown away;
# boot.sh makes one. PROJECT (default: /project, else where this script lies) is the checkout. Prints a line a check; exits 1 at the
# first that fails.
set -euo pipefail
PROJECT=${PROJECT:-/project}
[ -e "$PROJECT/systemd/listener.service" ] || PROJECT=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" = 0 ] && [ -d /run/systemd/system ] || { echo "needs root in a booted systemd" >&2; exit 2; }
DOC=$PROJECT/docs/install-systemd.md
LISTENER="/opt/listener/bin/listener"
CONFIG=/etc/listener/listener.toml
export DEBIAN_FRONTEND=noninteractive PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

ok() { echo "ok      $*"; }
failed() { echo "FAILED  $*"; journalctl -u listener -n 25 --no-pager -o cat || true; exit 1; }
trap 'failed "line $LINENO: $BASH_COMMAND"' ERR
eventually() { # seconds, what, command…
    local end=$((SECONDS + $1)) what=$2; shift 2
    until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || failed "$what: not in time"; sleep 0.3; done
    ok "$what"
}
block() { # the document's section and which of its blocks (from 1)
    awk -v section="$1" -v wanted="$2" '/^## /{here=($0=="## " section)} here&&/^```sh$/{n++; inside=1; next} /^```$/{inside=0} inside&&n==wanted' "$DOC"
}
by_the_document() { ok "by the document: $1 $2"; bash -euo pipefail -c "$(block "$1" "$2")"; }
property() { systemctl show -P "$1" listener; }
messages() { $LISTENER messages --config $CONFIG --json --limit 1000 --account "$1" 2>/dev/null | grep -c "\"state\": *\"done\""; }
has() { [ "$(messages "$1")" = "$2" ]; }
deliver() { # user, subject
    printf 'From: Ann <ann@example.org>\r\nTo: %s@example.com\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n' \
        "$1" "$2" "$RANDOM$RANDOM$RANDOM" | doveadm -c /srv/dovecot/dovecot.conf save -u "$1" -m INBOX
}
logins() { grep -c "Login: user=<$1>" /srv/dovecot/log || true; }
journal() { journalctl -u listener -o cat --no-pager | grep -q "\"event\": \"$1\""; }

# --- from nothing ---------------------------------------------------------------------------------------------------------------
systemctl stop listener test-dovecot 2>/dev/null || true
systemctl disable -q listener 2>/dev/null || true
rm -rf /etc/listener /etc/systemd/system/listener.service* /opt/listener /var/lib/listener* /var/lib/private/listener* /srv/mail /srv/dovecot
journalctl --rotate -q && journalctl --vacuum-time=1s -q && systemctl daemon-reload && systemctl reset-failed
systemctl mask -q dovecot.service dovecot.socket 2>/dev/null || true

# --- a mail server ------------------------------------------------------------------------------------------------------------
command -v doveadm >/dev/null || { apt-get update -qq; apt-get install -y -qq --no-install-recommends dovecot-imapd; } >/dev/null 2>&1
install -d -m 0755 /srv/dovecot /srv/mail && chown mail:mail /srv/mail
passwd_of() { printf 'one:{PLAIN}%s\ntwo:{PLAIN}%s\n' "$1" "$2" > /srv/dovecot/users.new; mv /srv/dovecot/users.new /srv/dovecot/users; chmod 644 /srv/dovecot/users; }
passwd_of first-secret second-secret
cat > /srv/dovecot/dovecot.conf <<'D'
protocols = imap
listen = 127.0.0.1
base_dir = /run/test-dovecot
log_path = /srv/dovecot/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:/srv/mail/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
auth_cache_size = 0
passdb {
  driver = passwd-file
  args = /srv/dovecot/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/srv/mail/%u
}
service imap-login {
  inet_listener imap {
    port = 11143
  }
  inet_listener imaps {
    port = 0
  }
}
D
systemd-run -q --unit test-dovecot /usr/sbin/dovecot -F -c /srv/dovecot/dovecot.conf
eventually 20 "a Dovecot answers" bash -c 'exec 3<>/dev/tcp/127.0.0.1/11143'

# --- install --------------------------------------------------------------------------------------------------------------------
rm -rf /root/checkout && mkdir /root/checkout
tar -C "$PROJECT" --exclude=.git --exclude=.venv --exclude='*.egg-info' -cf - . | tar -C /root/checkout -xf -
cd /root/checkout
by_the_document Install 1 >/dev/null
configuration() { # the poll interval of account two, a password file for account one
    cat > $CONFIG <<T
[listener]
state_dir = "/var/lib/listener"
[admin]
bind = "127.0.0.1:18025"
$(for user in one two; do cat <<A
[[accounts]]
id = "$user"
address = "$user@example.com"
start = "all"
[accounts.receiver]
host = "127.0.0.1"
port = 11143
security = "none"
user = "$user"
password_file = "$([ $user = one ] && echo "${2:-one-password}" || echo two-password)"
poll_interval = "$([ $user = two ] && echo "$1" || echo 60s)"
A
done)
T
}
configuration 60s
deliver one "before the first start"
block Install 2 | sed 's/support-password/one-password/' > /root/secret.sh && echo first-secret | bash -eu /root/secret.sh
block Install 2 | sed 's/support-password/two-password/' > /root/secret.sh && echo second-secret | bash -eu /root/secret.sh
systemd-analyze verify /etc/systemd/system/listener.service 2>&1 | grep -i listener && failed "systemd-analyze verify" || ok "systemd-analyze verify is clean"
systemd-analyze security --offline=true --threshold=15 /etc/systemd/system/listener.service >/tmp/exposure || failed "exposure"
ok "$(tail -1 /tmp/exposure)"
bash -uo pipefail -c "$(block Install 3 | head -1)" >/tmp/check 2>&1 || true
! grep -v -- '-password' /tmp/check | grep . || failed "check --offline named more than the credentials: $(cat /tmp/check)"
bash -euo pipefail -c "$(block Install 3 | sed 1d)" >/tmp/status
grep -q "Status: \"ok" /tmp/status && ok "started, READY: $(grep Status: /tmp/status | xargs)" || failed "$(cat /tmp/status)"
eventually 30 "a message from Dovecot is handled" has one 1

# --- who sees what --------------------------------------------------------------------------------------------------------------
pid=$(property MainPID)
[ "$(stat -c %a /etc/listener/credentials)" = 700 ] && ! setpriv --reuid nobody --regid nogroup --clear-groups cat /etc/listener/credentials/one-password 2>/dev/null || failed "credentials in /etc"
[ -e /run/credentials/listener.service ] && ! setpriv --reuid nobody --regid nogroup --clear-groups ls /run/credentials/listener.service 2>/dev/null || failed "credentials in /run"
setpriv --reuid "$(stat -c %u /proc/$pid)" --regid "$(stat -c %g /proc/$pid)" --clear-groups cat /run/credentials/listener.service/credentials_one-password | grep -q first-secret || failed "the service's own user cannot read them"
ok "credentials are readable by the service's user ($(stat -c %U /proc/$pid)) and nobody else"
! grep -q "first-secret\|second-secret" /proc/$pid/environ /proc/$pid/cmdline && ! journalctl -u listener --no-pager | grep -q "first-secret\|second-secret" || failed "a secret shows"
ok "no secret in environment, command line or journal"
[ "$(stat -c %a /var/lib/private/listener)" = 700 ] || failed "the state directory's mode"
[ "$(stat -c %u /proc/$pid)" != 0 ] && ok "the state directory is 0700, the user is not root"

# --- reload ---------------------------------------------------------------------------------------------------------------------
one=$(logins one) two=$(logins two)
configuration 90s && systemctl reload listener
eventually 20 "reload: the account that changed signs in again" test "$(logins two)" -ge 1 -a "$two" -ge 1
eventually 20 "reload: exactly one more sign-in of it" bash -c "[ \$(grep -c 'Login: user=<two>' /srv/dovecot/log) = $((two + 1)) ]"
[ "$(logins one)" = "$one" ] && [ "$(property MainPID)" = "$pid" ] || failed "reload touched the other account"
ok "reload: the other account's session is the same"
cp $CONFIG /root/good && echo 'colour = "red"' >> $CONFIG && systemctl reload listener
eventually 20 "a broken reload is refused" journal reload.refused
[ "$(property MainPID)" = "$pid" ] && [ "$(property ActiveState)" = active ] && [ "$(logins one)" = "$one" ] || failed "a broken reload did something"
ok "a broken reload: the daemon that was running keeps running"
cp /root/good $CONFIG
deliver one "after the reloads"; eventually 30 "mail after the reloads" has one 2

# --- rotation -------------------------------------------------------------------------------------------------------------------
passwd_of first-secret third-secret
block "Rotate a secret" 1 | sed 's/support-password/two-password/' > /root/secret.sh && echo third-secret | bash -eu /root/secret.sh
deliver two "with a new password"; eventually 30 "rotated by LoadCredential" has two 1
block "Rotate a secret" 3 | sed 's/support-password/one-password/' > /root/rotate.sh
echo first-secret | bash -eu /root/rotate.sh
configuration 90s /etc/listener/secrets/one-password
by_the_document "Rotate a secret" 2
deliver one "from the secrets directory"; eventually 30 "a secrets directory is read" has one 3
pid=$(property MainPID)
passwd_of fourth-secret third-secret
echo fourth-secret | bash -eu /root/rotate.sh
doveadm -c /srv/dovecot/dovecot.conf kick one >/dev/null 2>&1 || true
deliver one "after the rotation"; eventually 60 "rotated in the secrets directory" has one 4
[ "$(property MainPID)" = "$pid" ] && ok "without a restart" || failed "it was restarted"
! setpriv --reuid nobody --regid nogroup --clear-groups cat /etc/listener/secrets/one-password 2>/dev/null && ok "and nobody else reads it"

# --- watchdog -------------------------------------------------------------------------------------------------------------------
printf '[Service]\nWatchdogSec=15\n' > /etc/systemd/system/listener.service.d/quick.conf
systemctl daemon-reload && systemctl restart listener
eventually 30 "signed in again" has one 4
pid=$(property MainPID) restarts=$(property NRestarts)
python3 "$PROJECT/tests/systemd/freeze.py" "$pid" > /tmp/frozen & freezer=$!
eventually 10 "the ledger's thread is stopped, the event loop is not" grep -q stopped /tmp/frozen
for n in 1 2 3 4 5; do deliver one "while it stands still $n"; done
eventually 60 "the watchdog killed it" bash -c 'journalctl -u listener --no-pager | grep -q "Watchdog timeout"'
wait $freezer || true
eventually 60 "systemd started it again" bash -c "[ \"\$(systemctl show -P NRestarts listener)\" -gt $restarts ] && [ \"\$(systemctl show -P ActiveState listener)\" = active ]"
eventually 60 "nothing lost by it" has one 9
rm /etc/systemd/system/listener.service.d/quick.conf && systemctl daemon-reload

# --- kill -----------------------------------------------------------------------------------------------------------------------
for n in 1 2 3; do deliver two "before the kill $n"; done
kill -9 "$(property MainPID)"
eventually 60 "killed and started again; nothing lost" has two 4

# --- backup, restore, a lost disk -------------------------------------------------------------------------------------------------
by_the_document "Back up and restore" 1
[ "$(stat -c %a /var/lib/private/listener-backup/ledger.sqlite3)" = 600 ] && ok "an online backup, 0600"
deliver one "after the backup"; eventually 60 "mail after the backup" has one 10
! $LISTENER backup --config $CONFIG /var/lib/listener/ledger.sqlite3 2>/tmp/refused && ok "a backup onto itself is refused: $(cat /tmp/refused)"
systemctl stop listener && rm -rf /var/lib/private/listener/*
systemctl start listener 2>/dev/null && failed "an empty state directory was taken" || true
[ "$(property ExecMainStatus)" = 78 ] && journal daemon.refused && ok "a lost ledger is refused: exit 78, not tried again"
systemctl reset-failed listener
by_the_document "Back up and restore" 2
eventually 60 "restored: what came after the copy is fetched again, nothing twice" has one 10
has two 4 && ok "and the other account is as it was"

# --- stop -----------------------------------------------------------------------------------------------------------------------
began=$SECONDS
systemctl stop listener
took=$((SECONDS - began))
[ "$(property Result)" = success ] && [ "$(property ExecMainStatus)" = 0 ] && [ $took -le 60 ] || failed "stop: $(property Result), exit $(property ExecMainStatus), $took s"
ok "stop drains within ${took} s, exit 0"
systemctl stop test-dovecot
echo "all of it holds"
