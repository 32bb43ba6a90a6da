#!/bin/bash
# Boots a systemd of its own (Debian, in a folder, by systemd-nspawn) and runs in_a_booted_systemd.sh in it, with this checkout at
# /project, read-only. Needs root, debootstrap and systemd-nspawn (Debian: debootstrap, systemd-container); exits 2 and says so where they
# are not. The folder is kept in $CACHE for the next time; SECONDS_AT_MOST ends what hangs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
cache=${CACHE:-/var/cache/listener-booted-systemd}
for needed in debootstrap systemd-nspawn; do
    command -v $needed >/dev/null || { echo "a booted systemd needs $needed, which is not here" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "a booted systemd needs root" >&2; exit 2; }

root=$cache/root
mirror=$(awk '/^URIs:/{print $2; exit} /^deb /{print $2; exit}' /etc/apt/sources.list.d/* /etc/apt/sources.list 2>/dev/null || true)
if [ ! -e "$cache/made" ]; then
    rm -rf "$root" && mkdir -p "$cache"
    packages=systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,procps
    debootstrap --variant=minbase --include=$packages bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$cache/debootstrap.log" ||
        { tail -5 "$cache/debootstrap.log" >&2; exit 2; }
    touch "$cache/made"
fi
mkdir -p "$root/etc/ssl/certs" "$root/check" "$root/project" && rm -f "$root/check/status"
cp -a /etc/ssl/certs/. "$root/etc/ssl/certs/" 2>/dev/null || true
for file in /etc/pip.conf /etc/resolv.conf; do [ ! -e $file ] || cp -L $file "$root$file"; done
cat > "$root/etc/systemd/system/check.service" <<'U'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash -c '/project/tests/systemd/in_a_booted_systemd.sh >/check/out 2>&1; echo $? >/check/status; systemctl poweroff --force'
[Install]
WantedBy=multi-user.target
U
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../check.service "$root/etc/systemd/system/multi-user.target.wants/check.service"
: > "$root/check/out"
timeout "${SECONDS_AT_MOST:-900}" systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --bind-ro="$project:/project" \
    >"$cache/boot.log" 2>&1 || true
cat "$root/check/out"
if [ ! -e "$root/check/status" ]; then
    echo "the machine did not boot, or did not end in time:" >&2
    tail -5 "$cache/boot.log" >&2
    exit 1
fi
exit "$(cat "$root/check/status")"
