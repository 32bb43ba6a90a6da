"""Runs the image as docs/install-container.md says and looks whether it is what it should be. `make image-check` calls it.

    python tests/deploy/image_check.py [IMAGE]     builds the project's Dockerfile first when no image is named

Needs docker or podman (`ENGINE`; `ENGINE_OPTIONS` goes to the engine, `RUN_OPTIONS` to each of its `run`s). Touches no network
but the loopback of its own containers. Prints a line for each check; exits 1 at the first that fails, 2 where no engine is.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")
FORBIDDEN = ("pip", "pip3", "gcc", "cc", "g++", "c++", "clang", "ld", "make")
STOPPING = 60.0
"""Seconds within which a stop must have drained."""
CONFIG = """\
[listener]
state_dir = "/var/lib/listener"
[admin]
probe_bind = "0.0.0.0:8026"
[[accounts]]
id = "support"
start = "all"
[accounts.receiver]
host = "127.0.0.1"
port = 1143
security = "none"
user = "u"
password_file = "/run/secrets/support-password"
"""


class Failed(Exception):
    """A check that did not hold, and why."""


class Engine:
    """docker or podman, on the command line."""

    def __init__(self, program: str) -> None:
        self.program = [program, *shlex.split(os.environ.get("ENGINE_OPTIONS", ""))]
        self.run_options = shlex.split(os.environ.get("RUN_OPTIONS", ""))

    def __call__(self, *words: str, check: bool = True) -> str:
        done = subprocess.run([*self.program, *words], capture_output=True, text=True, timeout=900)
        if check and done.returncode:
            raise Failed(f"{' '.join(words[:3])} …: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
        return done.stdout.strip()

    def run(self, *words: str, **more: Any) -> str:
        """`run` with the options of the machine."""
        return self("run", *self.run_options, *words, **more)

    def exit_code(self, *words: str) -> int:
        """Of a command whose failure is an answer."""
        return subprocess.run([*self.program, *words], capture_output=True, timeout=120).returncode


def main(image: str = "") -> int:
    """All checks in order."""
    named = os.environ.get("ENGINE", "")
    program = next((name for name in ([named] if named else ["docker", "podman"]) if usable(name)), None)
    if program is None:
        print(
            "image-check needs docker or podman with a running engine; neither answers here (name one: ENGINE=podman)",
            file=sys.stderr,
        )
        return 2
    engine = Engine(program)
    try:
        image = image or build(engine)
        check_what_it_says(engine, image)
        check_what_is_in_it(engine, image)
        check_that_it_works(engine, image)
    except Failed as failure:
        print(f"FAILED  {failure}", file=sys.stderr)
        return 1
    return 0


def usable(program: str) -> bool:
    """Is it there, and does its engine answer?"""
    return bool(shutil.which(program)) and subprocess.run([program, "info"], capture_output=True, timeout=60).returncode == 0


def build(engine: Engine) -> str:
    """The project's Dockerfile, built."""
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    docker_format = ["--format", "docker"] if "podman" in engine.program[0] else []  # the OCI format has no HEALTHCHECK
    engine("build", *docker_format, "--build-arg", f"COMMIT={commit}", "-t", "listener:check", str(ROOT))
    return "listener:check"


def check_what_it_says(engine: Engine, image: str) -> None:
    """The image's own settings."""
    (about,) = json.loads(engine("image", "inspect", image))
    config = about["Config"]
    hold("runs as 65532", config["User"] == "65532:65532")
    hold("is stopped by SIGTERM", config.get("StopSignal") in ("SIGTERM", "15"))
    hold("starts in exec form", config["Entrypoint"] == ["/opt/listener/bin/listener"])
    health = about.get("Healthcheck") or about.get("HealthCheck") or config.get("Healthcheck")
    if health:  # the OCI format has none; Docker's has
        hold("is looked after in exec form", health["Test"] == ["CMD", "/opt/listener/bin/listener", "health", "--live"])
    hold("has labels", config["Labels"]["org.opencontainers.image.title"] == "listener")
    print(f"ok      {about['Size'] / 1e6:.0f} MB in all")


def check_what_is_in_it(engine: Engine, image: str) -> None:
    """Nothing that builds, nothing that installs, nothing that can be written."""
    with_shell = ("--rm", *HARDENED, "--network", "none", "--entrypoint", "/bin/sh", image, "-c")
    there = engine.run(*with_shell, f"for p in {' '.join(FORBIDDEN)}; do command -v $p; done; true")
    hold("has no compiler and no pip", not there, there)
    hold(
        "has no pip to import",
        engine.run(*with_shell, "python -c 'import pip' 2>/dev/null && echo there || echo none") == "none",
    )
    hold("is nobody in it", engine.run(*with_shell, "id -u; id -g").split() == ["65532", "65532"])
    refused = "touch /opt/listener/x /etc/x /x 2>/dev/null && echo written || echo refused"
    hold("has a read-only root", engine.run(*with_shell, refused) == "refused")
    kib = engine.run(*with_shell, "du -sk /opt/listener | cut -f1")
    print(f"ok      {int(kib) / 1024:.0f} MiB of it are Listener and its packages")
    said = engine.run("--rm", *HARDENED, "--network", "none", image, "--version")
    hold(f"says what it is: {said}", said.startswith("listener "))


def check_that_it_works(engine: Engine, image: str) -> None:
    """A message comes in, once, however often the container is started."""
    with folder() as mounts, containers(engine) as (mail, daemon), volume(engine) as state:
        engine.run("-d", "--name", mail, *HARDENED, "--network", "none", *mount(HERE / "mail_server.py", "/mail_server.py"),
                   "--entrypoint", "/opt/listener/bin/python", image, "/mail_server.py")  # fmt: skip
        eventually("a mail server", lambda: "listening" in engine("logs", mail))
        start = (
            "-d",
            "--name",
            daemon,
            *HARDENED,
            "--network",
            f"container:{mail}",
            "-v",
            f"{state}:/var/lib/listener",
            *mounts,
            image,
        )
        engine.run(*start)
        inside = ("exec", daemon, "/opt/listener/bin/listener")
        eventually("ready", lambda: engine.exit_code(*inside, "health", "--ready") == 0)
        eventually("a message handled", lambda: states(engine, inside) == ["done"])
        hold("is live by its own health command", engine.exit_code(*inside, "health", "--live") == 0)
        check_the_probes(engine, daemon)
        began = time.monotonic()
        engine("stop", "-t", str(int(STOPPING)), daemon)
        took = time.monotonic() - began
        (about,) = json.loads(engine("inspect", daemon))
        hold(f"drains in {took:.1f} s", about["State"]["ExitCode"] == 0 and took < STOPPING, json.dumps(about["State"]))
        engine("start", daemon)
        eventually("ready again", lambda: engine.exit_code(*inside, "health", "--ready") == 0)
        hold("has nothing lost and nothing twice", states(engine, inside) == ["done"])
        hold("is not live without its daemon", dead_is_seen(engine, image))


def check_the_probes(engine: Engine, daemon: str) -> None:
    """The probe address serves probes and metrics, and nothing else."""
    ask = (
        "import urllib.request as u, urllib.error as e\n"
        "for p in ('livez', 'readyz', 'startupz', 'metrics', '', 'healthz', 'api/v1/accounts'):\n"
        "    try: print(u.urlopen('http://127.0.0.1:8026/' + p).status)\n"
        "    except e.HTTPError as error: print(error.code)\n"
    )
    said = engine("exec", daemon, "/opt/listener/bin/python", "-c", ask).split()
    hold("shows probes and metrics on probe_bind, and no console", said == ["200"] * 4 + ["404"] * 3, " ".join(said))


def dead_is_seen(engine: Engine, image: str) -> bool:
    """The health command says no where no daemon runs."""
    words = ("run", *engine.run_options, "--rm", *HARDENED, "--network", "none", image, "health", "--live")
    return engine.exit_code(*words) == 1


def states(engine: Engine, inside: tuple[str, ...]) -> list[str]:
    """Of every message in the ledger."""
    return [json.loads(line)["state"] for line in engine(*inside, "messages", "--json", check=False).splitlines()]


@contextmanager
def folder() -> Iterator[list[str]]:
    """Configuration and secret as files, and how they are mounted."""
    with tempfile.TemporaryDirectory() as name:
        config, secret = Path(name) / "listener.toml", Path(name) / "support-password"
        config.write_text(CONFIG)
        secret.write_text("secret\n")
        for path in (Path(name), config, secret):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield [*mount(config, "/etc/listener/listener.toml"), *mount(secret, "/run/secrets/support-password")]


def mount(path: Path, at: str) -> list[str]:
    """Read-only."""
    return ["-v", f"{path}:{at}:ro"]


@contextmanager
def containers(engine: Engine) -> Iterator[tuple[str, str]]:
    """Two names, gone at the end."""
    names = tuple(f"listener-check-{what}-{secrets.token_hex(4)}" for what in ("mail", "daemon"))
    try:
        yield names[0], names[1]
    finally:
        with suppress(Failed):
            if os.environ.get("SHOW_LOGS"):
                print(engine("logs", names[1]))
        for name in reversed(names):
            engine("rm", "-f", name, check=False)


@contextmanager
def volume(engine: Engine) -> Iterator[str]:
    """For the state."""
    name = f"listener-check-{secrets.token_hex(4)}"
    engine("volume", "create", name)
    try:
        yield name
    finally:
        engine("volume", "rm", "-f", name, check=False)


def hold(what: str, is_so: bool, seen: str = "") -> None:
    """Print it, or fail."""
    if not is_so:
        raise Failed(f"{what}{f': {seen}' if seen else ''}")
    print(f"ok      {what}")


def eventually(what: str, is_so: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.3)
    print(f"ok      {what}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
