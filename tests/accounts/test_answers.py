"""What the verbs about accounts and profiles answer is as the OpenAPI page says: asked over HTTP of a whole daemon."""

import json

import aiohttp
import jsonschema_rs
import pytest
from accounts_house import CANARY, mail, settings

from listener.admin.openapi import openapi
from listener.admin.routes import API, ROUTES

PROFILE = {"id": "idp", "grant": "client_credentials", "issuer": "custom", "token_url": "https://127.0.0.1:1/token"}
PROFILE |= {"client_id": "me", "client_secret": CANARY}
ABOUT = ("account", "profile", "provider", "restart")


def schema_of(route, path):
    """The schema of a route's answer, with all that it refers to."""
    page = openapi()
    content = page["paths"][path][route.method.lower()]["responses"]["200"]["content"][route.media]["schema"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **content, "components": page["components"]}


def strict(schema):
    """The same with nothing more in an object than what is described."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    return found | {"additionalProperties": False} if "properties" in schema and "required" in schema else found


@pytest.fixture
async def ask(house):
    """Ask by the verb's name; every answer is held to its description, and no secret is in any."""
    base = f"http://{house.daemon.admin.addresses[0]}"
    token = (house.folder / "state/admin-token").read_text().strip()
    asked = set()

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:

        async def asking(verb, query="", body=None, **inside):
            route = next(one for one in ROUTES if one.verb == verb)
            path = route.path.format(**inside)
            async with session.request(route.method, f"{base}{API}{path}{query}", json=body) as answer:
                text = await answer.text()
                assert answer.status == 200, text
            assert CANARY not in text
            schema = strict(schema_of(route, route.path))
            if route.media == "application/x-ndjson":
                schema = schema["contentSchema"] | {"components": schema["components"]}
                rows = [json.loads(line) for line in text.splitlines()]
            else:
                rows = [json.loads(text)]
            for row in rows:
                jsonschema_rs.validator_for(schema).validate(row)
            asked.add(verb)
            return rows[-1]

        asking.asked = asked
        yield asking


async def test_every_answer_about_accounts_and_profiles_is_as_described_and_nothing_more(house, server, ask):
    server.deliver("INBOX", mail(1))
    await ask("create_profile", body={"settings": PROFILE})
    await ask("profiles")
    await ask("profile", profile="idp")
    assert (await ask("check_profile", body={"settings": PROFILE | {"grant": "password"}, "profile": "idp"}))["ok"] is False
    assert (await ask("test_profile", body={"settings": None, "profile": "idp"}))["ok"] is False
    await ask("update_profile", profile="idp", body={"settings": PROFILE | {"client_secret": {"set": True}}, "version": 1})
    await ask("providers")
    draft = settings(server)
    assert (await ask("check_account", body={"settings": draft}))["ok"]
    assert (await ask("test_account", body={"settings": draft}))["ok"]
    (foreseen,) = await ask("preview_draft", body={"settings": draft})
    assert foreseen["outcome"] == "filed"
    await ask("create_account", body={"settings": draft})
    assert (await ask("account", account="support"))["paused"]
    await ask("update_account", account="support", body={"settings": draft | {"name": "Another"}, "version": 1})
    exported = await ask("export_account", account="support")
    await ask("import_account", body={"toml": exported["toml"]})
    await ask("resume", account="support")
    await ask("restart", account="support")
    await ask("accounts")
    await ask("delete_account", "?version=2", account="support")
    await ask("delete_profile", "?version=2", profile="idp")
    consent = PROFILE | {"grant": "refresh_token", "authorize_url": "https://login.example.com/authorize"}
    await ask("create_profile", body={"settings": consent})
    await ask("begin_consent", "?session=abcdefghijklmnopqrstuvwxyz0123456789&base=http://127.0.0.1:8025", profile="idp")
    described = {route.verb for route in ROUTES if not route.private and any(word in route.verb for word in ABOUT)}
    assert described - ask.asked == {"account_events"}
