"""From the configuration to running hooks, with every fault named at once."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from listener.config.load import load
from listener.errors import ConfigurationError
from listener.hooks.build import build_hosts, rebuilt, start_hosts, stop_hosts
from listener.hooks.loading import hook_fault

ACCOUNT = """
[[accounts]]
id = "{id}"
address = "{id}@example.com"
hooks = {hooks}
[accounts.receiver]
host = "imap.example.com"
password_file = "password"
"""


@pytest.fixture
def configure(tmp_path):
    """`configure({"support": ["webhook:crm"]}, more_toml)` → the loaded configuration."""

    def write(accounts, more=""):
        (tmp_path / "password").write_text("x")
        (tmp_path / "crm-hmac").write_text("hush\n")
        for secret in ("password", "crm-hmac"):
            (tmp_path / secret).chmod(0o600)
        tables = [ACCOUNT.format(id=name, hooks=list(hooks)) for name, hooks in accounts.items()]
        file = tmp_path / "listener.toml"
        file.write_text(f'[listener]\nstate_dir = "{tmp_path}"\n{more}\n{"".join(tables)}')
        return load(file, environment={})

    return write


async def test_hooks_are_built_once_and_shared_by_the_accounts_that_name_them(configure):
    more = '[webhook.crm]\nurl = "https://crm.example.com/"\n[webhook.unused]\nurl = "https://other.example.com/"\n'
    more += '[command.archive]\nargv = ["/bin/cat"]\n'
    hosts = build_hosts(configure({"support": ["webhook:crm", "command:archive"], "sales": ["webhook:crm"]}, more))
    assert {name: host.name for name, host in hosts.items()} == {
        "webhook:crm": "webhook:crm",
        "command:archive": "command:archive",
    }
    await start_hosts(hosts.values())
    await stop_hosts(hosts.values())


async def test_a_webhook_gets_its_secret_its_links_and_its_limits(configure, message, case, entry):
    seen = []

    async def handler(request):
        seen.append((request.headers.get("X-Listener-Signature"), await request.json()))
        return web.json_response({"reference": "CRM-1"})

    app = web.Application()
    app.router.add_post("/", handler)
    server = TestServer(app)
    await server.start_server()
    more = f'[webhook.crm]\nurl = "{server.make_url("/")}"\nallow_private = true\nsecret_file = "crm-hmac"\n'
    hosts = build_hosts(configure({"support": ["webhook:crm"]}, more), sign_url=lambda id, sha256: f"https://x.example/{id}")
    await start_hosts(hosts.values())
    outcome = await hosts["webhook:crm"].handle(message, case, entry)
    await stop_hosts(hosts.values())
    await server.close()
    assert outcome.reference == "CRM-1"
    [(signature, body)] = seen
    assert signature.startswith("t=")
    assert body["raw_url"] == "https://x.example/7"


async def test_every_hook_that_cannot_be_used_is_named_at_once_and_the_good_ones_are_stopped_again(configure, write_hook):
    good = """
        events = []
        class TheHook:
            async def start(self): events.append("start")
            async def stop(self): events.append("stop")
            async def handle(self, message, case, entry): pass
    """
    names = [write_hook("good_hook", good), write_hook("bad_hook", "class TheHook: pass"), "python:nowhere:Hook"]
    hosts = build_hosts(configure({"support": names, "sales": names}))
    with pytest.raises(ConfigurationError) as failure:
        await start_hosts(hosts.values())
    assert [fault.setting for fault in failure.value.faults] == ["accounts.support.hooks"] * 2
    assert "has no handle" in str(failure.value)
    assert "module nowhere cannot be imported" in str(failure.value)
    import good_hook

    assert good_hook.events == ["start", "stop"]


async def test_a_secret_that_cannot_be_read_is_a_fault(configure, tmp_path):
    more = '[webhook.crm]\nurl = "https://crm.example.com/"\nsecret_file = "crm-hmac"\n'
    hosts = build_hosts(configure({"support": ["webhook:crm"]}, more))
    (tmp_path / "crm-hmac").unlink()
    with pytest.raises(ConfigurationError, match=r"webhook\.crm\.secret_file: cannot be read"):
        await start_hosts(hosts.values())


def test_a_reload_keeps_the_hosts_about_which_nothing_changed(configure):
    more = '[webhook.crm]\nurl = "https://crm.example.com/{}"\n[command.archive]\nargv = ["/bin/cat"]\n'
    names = ["webhook:crm", "command:archive", "python:some:Hook"]
    old = configure({"support": names}, more.format("one"))
    hosts = build_hosts(old)
    new = rebuilt(old, hosts, configure({"support": names, "sales": ["webhook:crm"]}, more.format("two")))
    assert new["command:archive"] is hosts["command:archive"]
    assert new["python:some:Hook"] is hosts["python:some:Hook"]
    assert new["webhook:crm"] is not hosts["webhook:crm"]


def test_a_reload_forgets_the_hosts_that_nobody_names(configure):
    more = '[command.archive]\nargv = ["/bin/cat"]\n'
    old = configure({"support": ["command:archive", "python:some:Hook"]}, more)
    new = configure({"support": ["python:some:Hook"]}, more)
    assert rebuilt(old, build_hosts(old), new).keys() == {"python:some:Hook"}


def test_the_check_of_a_configuration_can_ask_what_is_wrong_with_a_python_hook(write_hook):
    fine = write_hook("fine_hook", "class TheHook:\n  async def handle(self, message, case, entry): pass")
    assert hook_fault(fine) is None
    assert "did you mean TheHook?" in hook_fault("python:fine_hook:TheHok")
