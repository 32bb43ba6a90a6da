"""docs/api.md: every curl example is run as it stands, and every path in it is served."""

import asyncio
import os
import re
from pathlib import Path

from conftest import needs

from listener.admin.routes import ROUTES

from .conftest import WORD, file, put

TEXT = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"^(curl .*)$", TEXT, re.MULTILINE)
MESSAGE = (
    b"From: ann@example.com\r\nSubject: Broken lamp\r\nMessage-ID: <1@example.com>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee there.\r\n"
    b"--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\n1,2\r\n--b--\r\n"
)


@needs("curl", "curl")
async def test_every_example_works_as_it_stands(admin):
    await put(admin.ledger, "support", MESSAGE)
    await file(admin.ledger)
    assert len(EXAMPLES) >= 14

    async def run(example):
        environment = os.environ | {"URL": f"http://{admin.server.addresses[0]}", "TOKEN": WORD, "no_proxy": "*"}
        checked = re.sub(r"^curl ", "curl -w '%{stderr}%{http_code}' ", example.partition("  #")[0])
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_shell(checked, env=environment, stdout=pipe, stderr=pipe)
        _, said = await asyncio.wait_for(process.communicate(), 60)
        return example, said.decode()

    for example, status in await asyncio.gather(*map(run, EXAMPLES)):
        assert status == "200", example


def test_what_is_named_is_served():
    served = {route.path.partition("/{")[0].split("/")[1] for route in ROUTES} | {"events", "openapi.json"}
    named = {path.split("/")[0].split("?")[0] for path in re.findall(r"/api/v1/([a-z][^\s`\"]*)", TEXT)}
    assert named <= served
