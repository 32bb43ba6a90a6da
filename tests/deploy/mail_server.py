"""A mail server with one message in it, inside a container of the very image that is checked (image_check.py mounts this)."""

import asyncio

from listener.testing import ImapServer, make_message


async def main() -> None:
    async with ImapServer(users={"u": "secret"}, port=1143) as server:
        server.deliver("INBOX", make_message(subject="Into a container"))
        print("listening", flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
