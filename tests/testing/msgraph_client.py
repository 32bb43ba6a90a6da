"""Microsoft's own SDK on the Graph server at argv[1]: a receiver's and a sender's day. Prints what it saw as one JSON object.

A program of its own, because importing the SDK costs a test process half a second and 100 MB. Run by test_interop_graph.py.
"""

import asyncio
import json
import sys

from kiota_abstractions.api_error import APIError
from kiota_abstractions.authentication import AuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.mail_folders.item.messages.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody

PAGE = 2


class Bearer(AuthenticationProvider):
    """The SDK's own providers send no token to a plain http address."""

    async def authenticate_request(self, request, additional_authentication_context=None):
        request.headers.try_add("Authorization", f"Bearer {sys.argv[2]}")


def prefer(**query):
    parameters = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(**query)
    configuration = RequestConfiguration(query_parameters=parameters)
    configuration.headers.add("Prefer", 'IdType="ImmutableId"')
    configuration.headers.add("Prefer", f"odata.maxpagesize={PAGE}")
    return configuration


def wanting_immutable():
    configuration = RequestConfiguration()
    configuration.headers.add("Prefer", 'IdType="ImmutableId"')
    return configuration


async def round_of(delta):
    """One delta round: the pages' ids, and the deltaLink."""
    page = await delta.get(prefer(select=["id", "receivedDateTime", "internetMessageId", "isRead"]))
    pages = [page.value]
    while page.odata_next_link:
        page = await delta.with_url(page.odata_next_link).get(prefer())
        pages.append(page.value)
    return pages, page.odata_delta_link


async def refused(awaitable):
    try:
        await awaitable
    except APIError as error:
        return [error.response_status_code, error.error.code]
    raise SystemExit("it was not refused")


async def main():
    adapter = GraphRequestAdapter(Bearer())
    adapter.base_url = f"{sys.argv[1]}/v1.0"
    user = GraphServiceClient(request_adapter=adapter).users.by_user_id(sys.argv[3])
    inbox = user.mail_folders.by_mail_folder_id("inbox")
    delta = inbox.messages.delta
    seen = {}

    folders = await user.mail_folders.get()
    seen["folders"] = sorted(folder.display_name for folder in folders.value)

    pages, link = await round_of(delta)
    seen["pages"] = [len(page) for page in pages]
    messages = [message for page in pages for message in page]
    seen["identities"] = [message.internet_message_id for message in messages]
    seen["times"] = [message.received_date_time.isoformat() for message in messages]

    first = user.messages.by_message_id(messages[0].id)
    seen["mime"] = (await first.content.get()).decode()
    await first.patch(Message(is_read=True), wanting_immutable())
    moved = await first.move.post(MovePostRequestBody(destination_id=await folder_id(user, "Done")), wanting_immutable())
    seen["moved_id_is_the_same"] = moved.id == messages[0].id
    seen["is_read"] = moved.is_read

    resumed = await delta.with_url(link).get(prefer())
    seen["resumed"] = [[m.id == messages[0].id, "@removed" in m.additional_data] for m in resumed.value]
    seen["resumed_link_differs"] = resumed.odata_delta_link != link

    seen["gone"] = await refused(user.messages.by_message_id("AAkALgnobody").get())
    seen["lost"] = await refused(delta.with_url(link.replace("deltatoken=", "deltatoken=9")).get(prefer()))

    recipient = Recipient(email_address=EmailAddress(address="ann@example.com"))
    letter = Message(
        subject="From the SDK", body=ItemBody(content_type=BodyType.Text, content="Hello"), to_recipients=[recipient]
    )
    await user.send_mail.post(SendMailPostRequestBody(message=letter, save_to_sent_items=True))
    draft = await user.messages.post(letter, wanting_immutable())
    seen["draft"] = draft.is_draft
    await user.messages.by_message_id(draft.id).send.post()
    seen["sent"] = (await user.messages.by_message_id(draft.id).get(wanting_immutable())).is_draft is False
    await user.messages.by_message_id(messages[1].id).delete()
    print(json.dumps(seen))


async def folder_id(user, name):
    folders = await user.mail_folders.get()
    return next(folder.id for folder in folders.value if folder.display_name == name)


asyncio.run(main())
