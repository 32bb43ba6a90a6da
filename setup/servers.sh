#!/bin/sh
# Installs the real servers that the tests run against, where apt-get and root (or sudo) are to be had. Where not, it says so and ends
# well: those tests are then skipped with the reason, or fail under CI=true.
set -eu
wanted=""
[ -x /usr/sbin/dovecot ] && [ -e /usr/lib/dovecot/imap ] && [ -e /usr/lib/dovecot/pop3 ] || wanted="$wanted dovecot-imapd dovecot-pop3d"
command -v mbsync >/dev/null 2>&1 || wanted="$wanted isync"
[ -x /usr/sbin/postfix ] || wanted="$wanted postfix"
command -v strace >/dev/null 2>&1 || wanted="$wanted strace"
command -v chromium >/dev/null 2>&1 || wanted="$wanted chromium"
command -v npm >/dev/null 2>&1 || wanted="$wanted npm"
# What only a few tests ask, of the units and of deploy/: elsewhere they are skipped, under CI nothing is.
if [ "${CI:-}" = true ]; then
    command -v promtool >/dev/null 2>&1 || wanted="$wanted prometheus"
    command -v systemd-analyze >/dev/null 2>&1 || wanted="$wanted systemd"
    command -v setpriv >/dev/null 2>&1 || wanted="$wanted util-linux"
    command -v curl >/dev/null 2>&1 || wanted="$wanted curl"
fi

# The rules of accessibility that the console's pages are held to (axe-core, MPL-2.0): one file, for the tests only.
axe=.venv/axe/node_modules/axe-core/axe.min.js
fetch_axe() {
    [ -e "$axe" ] || ! command -v npm >/dev/null 2>&1 ||
        npm install --silent --prefix .venv/axe --no-save --ignore-scripts --no-audit --no-fund axe-core@4.14.1 >/dev/null 2>&1 ||
        echo "could not install axe-core (its tests will be skipped)" >&2
}
if [ -z "$wanted" ]; then fetch_axe; exit 0; fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then as_root="sudo -n"; fi
if ! command -v apt-get >/dev/null 2>&1 || ! $as_root true 2>/dev/null; then
    echo "not installed and no right to:$wanted (their tests will be skipped)" >&2
    fetch_axe
    exit 0
fi
echo "installing$wanted …"
# The tests run a Postfix of their own; Debian's is not to be configured, so that it does not run.
echo "postfix postfix/main_mailer_type select No configuration" | $as_root debconf-set-selections 2>/dev/null || true
{ $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $wanted; } >/dev/null 2>&1 ||
    echo "could not install$wanted (their tests will be skipped)" >&2
fetch_axe
