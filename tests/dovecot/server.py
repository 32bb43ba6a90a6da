"""A private Dovecot on loopback: real IMAP and POP3 over TLS, one throw-away folder, any user with the password `secret`.

Runs as root or as a plain user. Mail goes in by `deliver` (a file renamed into the Maildir, as a delivery agent does it) and
administration by `doveadm`. Used by the tests that are marked `dovecot` and by the benchmarks.
"""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import trustme

PASSWORD = "secret"
_serial = itertools.count()


def binary() -> str | None:
    """Where Dovecot is, or None when it is not installed with both protocols."""
    found = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return found if found and Path("/usr/lib/dovecot/imap").exists() and Path("/usr/lib/dovecot/pop3").exists() else None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@dataclass
class Dovecot:
    """One running instance. `extra` is configuration text added at the end."""

    home: Path
    extra: str = ""
    imap: int = 0
    imaps: int = 0
    pop3: int = 0
    pop3s: int = 0
    ca_file: Path = field(default_factory=Path)

    def start(self) -> Dovecot:
        """Write the configuration and start; returns when it accepts connections."""
        self.home.mkdir(parents=True, exist_ok=True)
        os.chmod(self.home, 0o755)
        self.imap, self.imaps, self.pop3, self.pop3s = free_ports(4)
        self._certificates()
        self._owner_of_mail()
        (self.home / "dovecot.conf").write_text(self._configuration())
        with (self.home / "start.log").open("wb") as words:  # a pipe would stay open in the daemon
            subprocess.run([binary(), "-c", self.home / "dovecot.conf"], check=True, stdout=words, stderr=words)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.imaps), timeout=1).close()
                return self
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """End it and all its processes."""
        subprocess.run([binary(), "-c", self.home / "dovecot.conf", "stop"], check=False, stdout=subprocess.DEVNULL)

    def doveadm(self, *arguments: str) -> str:
        """Run one administration command; raises with its words when it fails."""
        done = subprocess.run(
            ["doveadm", "-c", str(self.home / "dovecot.conf"), *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"doveadm {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def deliver(self, user: str, messages: Iterable[bytes], folder: str = "") -> int:
        """Put messages into a folder as a delivery agent does: written to tmp, renamed to new. Returns how many."""
        maildir = self.home / "mail" / user / (f".{folder}" if folder else "")
        for part in ("cur", "new", "tmp"):
            (maildir / part).mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            for path in (self.home / "mail" / user, maildir, *(maildir / p for p in ("cur", "new", "tmp"))):
                os.chown(path, self.uid, self.gid)
        count = 0
        for octets in messages:
            name = f"{time.time():.6f}.{os.getpid()}_{next(_serial)}.test"
            written = maildir / "tmp" / name
            written.write_bytes(octets)
            if os.getuid() == 0:
                os.chown(written, self.uid, self.gid)
            written.rename(maildir / "new" / name)
            count += 1
        return count

    def doveadm_save(self, user: str, folder: str, octets: bytes) -> None:
        """Store one message into a folder of any name."""
        command = ["doveadm", "-c", str(self.home / "dovecot.conf"), "save", "-u", user, "-m", folder]
        subprocess.run(command, input=octets, check=True, capture_output=True)

    def processes(self, name: str, user: str | None = None) -> list[int]:
        """Process ids of this instance's children called `dovecot/NAME`, for signals; needs verbose_proctitle for `user`."""
        pids = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            if title.startswith(f"dovecot/{name}") and parent == self.pid and (user is None or user in title):
                pids.append(int(entry.name))
        return pids

    def signal(self, name: str, number: signal.Signals, user: str | None = None) -> int:
        """Send a signal to such processes; returns how many."""
        pids = self.processes(name, user)
        for pid in pids:
            os.kill(pid, number)
        return len(pids)

    @property
    def pid(self) -> int:
        """The master process."""
        return int((self.home / "run" / "master.pid").read_text())

    def _certificates(self) -> None:
        self.authority = authority = trustme.CA()
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        self.ca_file = self.home / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        leaf.private_key_pem.write_to_path(str(self.home / "key.pem"))
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        (self.home / "cert.pem").write_bytes(chain)

    def _owner_of_mail(self) -> None:
        if os.getuid() == 0:
            import pwd

            account = pwd.getpwnam("nobody")
            self.uid, self.gid = account.pw_uid, account.pw_gid
        else:
            self.uid, self.gid = os.getuid(), os.getgid()
        mail = self.home / "mail"
        mail.mkdir(exist_ok=True)
        if os.getuid() == 0:
            os.chown(mail, self.uid, self.gid)

    def _configuration(self) -> str:
        home = self.home
        if os.getuid() == 0:
            people = "default_internal_user = dovecot\ndefault_login_user = dovenull\n"
        else:
            me = getpass.getuser()
            people = f"default_internal_user = {me}\ndefault_login_user = {me}\nservice anvil {{\n  chroot =\n}}\n"
            people += "service imap-login {\n  chroot =\n}\nservice pop3-login {\n  chroot =\n}\n"
        return f"""
base_dir = {home}/run
state_dir = {home}/run
log_path = {home}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
ssl_min_protocol = TLSv1.2
auth_mechanisms = plain login
verbose_proctitle = yes
{people}
default_client_limit = 4000
default_process_limit = 2000
first_valid_uid = 1
mail_location = maildir:{home}/mail/%u
mail_max_userip_connections = 2000
mail_fsync = optimized
maildir_very_dirty_syncs = yes
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={self.uid} gid={self.gid} home={home}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  service_count = 0
  client_limit = 2000
  process_min_avail = 1
  vsz_limit = 1G
  inet_listener imap {{
    port = {self.imap}
  }}
  inet_listener imaps {{
    port = {self.imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {self.pop3}
  }}
  inet_listener pop3s {{
    port = {self.pop3s}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 2000
}}
service anvil {{
  client_limit = 8000
}}
service auth {{
  client_limit = 8000
}}
service stats {{
  client_limit = 8000
}}
{self.extra}
"""
