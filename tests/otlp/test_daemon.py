"""The daemon as it is configured: a mail becomes a trace at the collector, and the metrics come beside it."""

import asyncio

from daemon import Daemon, eventually
from test_daemon_process import account, listener

from listener.testing import ImapServer, make_message


def settings(port, headers="api-key=canary-in-a-header"):
    return f'[otlp]\nendpoint = "http://127.0.0.1:{port}"\nheaders_file = "headers"\nmetrics_interval = "1s"\n', headers


async def test_a_mail_becomes_a_trace_and_metrics_come_beside_it(collecting, tmp_path):
    server, asked = collecting
    more, headers = settings(server.server_port)
    (tmp_path / "headers").write_text(headers)
    async with ImapServer(users={"u": "secret"}) as mail, Daemon(tmp_path, account(mail.port), more=more) as daemon:
        await asyncio.sleep(0)
        mail.deliver("INBOX", make_message(subject="One"))
        await eventually(lambda: {path for path, _, _ in asked} == {"/v1/traces", "/v1/metrics"})
    (_, sent, body) = next(one for one in asked if one[0] == "/v1/traces")
    root, *children = body.resource_spans[0].scope_spans[0].spans
    assert (root.name, sent["api-key"]) == ("message", "canary-in-a-header")
    assert [child.name for child in children][:2] == ["message.accepted", "message.filed"]
    assert "canary" not in daemon.log()


async def test_headers_that_are_none_are_a_fault_of_the_configuration(collecting, tmp_path):
    more, _ = settings(collecting[0].server_port)
    (tmp_path / "headers").write_text("no header at all")
    daemon = Daemon(tmp_path, account(1), more=more)
    code, _, said = await listener(daemon, "run")
    assert code == 78
    assert "otlp.headers_file: line 1 is not name=value" in said
