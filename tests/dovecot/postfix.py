"""A private Postfix for one test: its own queue and configuration, one high port on loopback, nothing leaves the machine.

It wants SMTP AUTH by Dovecot's passwords, and delivers each of its addresses into the Maildir that a Dovecot serves under the
same name. Needs root, because Postfix does.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from dovecot.server import Dovecot, free_ports

AUTH = "postfix-auth"
"""Name of the socket in Dovecot's folder."""


def binary() -> str | None:
    """Where `postfix` is; None where it is not installed or we are not root."""
    return shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin") if os.getuid() == 0 else None


def auth_listener(home: Path) -> str:
    """Dovecot's configuration for the socket that Postfix asks."""
    return f"service auth {{\n  unix_listener {home}/{AUTH} {{\n    mode = 0666\n  }}\n}}\n"


@dataclass
class Postfix:
    """One running instance. `addresses` are its mailboxes; `header_checks` may take fields away."""

    home: Path
    dovecot: Dovecot
    addresses: tuple[str, ...]
    header_checks: str = ""
    port: int = 0
    etc: Path = field(default_factory=Path)

    def start(self) -> Postfix:
        """Write the configuration and start; returns when it accepts connections."""
        (self.port,) = free_ports(1)
        self.etc = self.home / "etc"
        for name in ("etc", "queue", "data"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        for folder in (self.home, self.etc):
            folder.chmod(0o755)
        shutil.chown(self.home / "data", "postfix")
        (self.etc / "mailboxes").write_text("".join(f"{one} {one}/\n" for one in self.addresses))
        (self.etc / "header_checks").write_text(self.header_checks)
        (self.etc / "main.cf").write_text(self._main())
        (self.etc / "master.cf").write_text(self._master())
        self._run("start")
        self._wait()
        return self

    def stop(self) -> None:
        """End it and all its processes."""
        self._run("stop", check=False)

    def queued(self) -> bool:
        """Is any mail still on its way?"""
        return any(path.is_file() for name in ("maildrop", "incoming", "active", "deferred") for path in self._files(name))

    def log(self) -> str:
        """What it wrote."""
        path = self.home / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _files(self, queue: str) -> list[Path]:
        return list((self.home / "queue" / queue).rglob("*"))

    def _run(self, verb: str, *, check: bool = True) -> None:
        done = subprocess.run([binary() or "", "-c", self.etc, verb], capture_output=True, text=True, check=False, timeout=30)
        if check and done.returncode:
            raise RuntimeError(f"postfix {verb}: {done.stdout}{done.stderr}{self.log()}")

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"postfix does not answer: {self.log()}") from None
                time.sleep(0.05)

    def _main(self) -> str:
        return f"""
compatibility_level = 3.6
queue_directory = {self.home}/queue
data_directory = {self.home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {self.home}/mail.log
maillog_file_prefixes = {self.home}
myhostname = mx.example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
mydestination =
alias_maps =
alias_database =
local_transport = error:no local mail
default_transport = error:nothing leaves this machine
recipient_delimiter = +
virtual_mailbox_domains = {" ".join(sorted({one.partition("@")[2] for one in self.addresses}))}
virtual_mailbox_base = {self.dovecot.home}/mail
virtual_mailbox_maps = texthash:{self.etc}/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:{self.dovecot.uid}
virtual_gid_maps = static:{self.dovecot.gid}
virtual_mailbox_limit = 0
header_checks = regexp:{self.etc}/header_checks
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {self.dovecot.home}/{AUTH}
smtpd_tls_auth_only = no
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = reject_unauth_destination
"""

    def _master(self) -> str:
        services = "cleanup qmgr rewrite bounce defer trace verify flush proxymap error retry virtual anvil scache tlsmgr"
        programs = {"rewrite": "trivial-rewrite", "defer": "bounce", "trace": "bounce", "retry": "error"}
        private = {"cleanup": "n", "qmgr": "n", "flush": "n"}
        unprivileged = {"virtual": "n", "proxymap": "-"}
        lines = [f"127.0.0.1:{self.port} inet n - n - - smtpd"]
        for name in services.split():
            wake = "300" if name == "qmgr" else "1000?" if name in ("flush", "tlsmgr") else "-"
            most = (
                "1"
                if name in ("qmgr", "verify", "anvil", "scache", "tlsmgr")
                else "0"
                if name in ("cleanup", "bounce", "defer", "trace")
                else "-"
            )
            columns = (
                name,
                "unix",
                private.get(name, "-"),
                unprivileged.get(name, "-"),
                "n",
                wake,
                most,
                programs.get(name, name),
            )
            lines.append(" ".join(columns))
        lines.append("postlog unix-dgram n - n - 1 postlogd")
        return "\n".join(lines) + "\n"
