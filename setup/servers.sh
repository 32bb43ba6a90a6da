#!/bin/sh
# Installs the real servers that the tests run against, where apt-get and root (or sudo) are to be had. Where not, it says so and ends
# well: those tests are then skipped with the reason, or fail under CI=true.
set -eu
wanted=""
[ -x /usr/sbin/dovecot ] && [ -e /usr/lib/dovecot/imap ] && [ -e /usr/lib/dovecot/pop3 ] || wanted="$wanted dovecot-imapd dovecot-pop3d"
command -v mbsync >/dev/null 2>&1 || wanted="$wanted isync"
command -v strace >/dev/null 2>&1 || wanted="$wanted strace"
[ -n "$wanted" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then as_root="sudo -n"; fi
if ! command -v apt-get >/dev/null 2>&1 || ! $as_root true 2>/dev/null; then
    echo "not installed and no right to:$wanted (their tests will be skipped)" >&2
    exit 0
fi
echo "installing$wanted …"
{ $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $wanted; } >/dev/null 2>&1 ||
    echo "could not install$wanted (their tests will be skipped)" >&2
