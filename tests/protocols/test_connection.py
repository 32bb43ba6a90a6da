"""A connection to a mail server: bounded, impatient, exact about what is wrong, and never readable before it is secure."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from listener.errors import ConnectionLost, InsecureConnection, ServerUnavailable
from listener.protocols import connection as module
from listener.protocols.connection import Connection
from listener.protocols.dial import permit
from listener.protocols.endpoint import Endpoint, LowestTLS, Security, is_loopback, tls_context
from tests.virtual_clock import VirtualLoop, run_virtual

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_context(authority: trustme.CA, *names: str, **kwargs: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1")), **kwargs).configure_cert(context)
    return context


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback; its port. Its handlers are cancelled at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, limit=1 << 20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def plain(port: int, **kwargs: object) -> Endpoint:
    return Endpoint("127.0.0.1", port, **{"security": Security.NONE} | kwargs)


def saying(*pieces: bytes, hold: bool = False) -> Handler:
    """A server that sends these pieces one by one, then hangs up or holds the line."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if hold:
            await reader.read()
        writer.close()

    return handler


async def connected(port: int, **kwargs: object) -> Connection:
    return await Connection.open(plain(port, **kwargs))


# --- reading and writing ---------------------------------------------------------------------------------------------


async def test_lines_and_literals_come_as_they_were_sent() -> None:
    async with serving(saying(b"* OK hel", b"lo\r\nbare\nabc", b"defgh\r\n", hold=True)) as port:
        connection = await connected(port)
        assert await connection.read_line(100) == b"* OK hello"
        assert await connection.read_line(100) == b"bare"
        assert await connection.read_exactly(5) == b"abcde"
        assert await connection.read_line(100) == b"fgh"
        connection.close()


async def test_a_large_literal_arrives_whole_and_what_follows_it_too() -> None:
    octets = bytes(range(256)) * 8192
    async with serving(saying(octets, b")\r\n", hold=True)) as port:
        connection = await connected(port)
        assert await connection.read_exactly(len(octets)) == octets
        assert await connection.read_line(10) == b")"
        assert connection.received == len(octets) + 3
        connection.close()


async def test_skipped_octets_are_gone() -> None:
    async with serving(saying(b"x" * 1_000_000 + b"next\r\n", hold=True)) as port:
        connection = await connected(port)
        await connection.skip(1_000_000)
        assert await connection.read_line(10) == b"next"
        connection.close()


async def test_the_last_words_of_a_server_are_read_before_its_end_is_noticed() -> None:
    async with serving(saying(b"* BYE maintenance\r\n")) as port:
        connection = await connected(port)
        while not connection.lost:
            await connection.readable(1)
            await asyncio.sleep(0)
        assert await connection.read_line(100) == b"* BYE maintenance"
        with pytest.raises(ConnectionLost, match="closed the connection"):
            await connection.read_line(100)


async def test_a_line_over_the_limit_ends_the_connection_even_without_its_end() -> None:
    async with serving(saying(b"x" * 9000, hold=True)) as port:
        connection = await connected(port)
        with pytest.raises(ConnectionLost, match="more than 8192 octets"):
            await connection.read_line(8192)
        assert connection.lost


async def test_a_line_of_exactly_the_limit_is_read() -> None:
    async with serving(saying(b"x" * 8192 + b"\n", hold=True)) as port:
        connection = await connected(port)
        assert len(await connection.read_line(8192)) == 8192
        connection.close()


async def test_a_line_longer_than_what_may_wait_is_read_all_the_same() -> None:
    line = b"x" * 1_000_000
    async with serving(saying(line + b"\r\nnext\r\n", hold=True)) as port:
        connection = await connected(port)
        assert await connection.read_line(1_048_576, timeout=5) == line
        assert await connection.read_line(10) == b"next"
        connection.close()


async def test_a_server_that_is_not_read_must_wait() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with serving(flood) as port:
        connection = await connected(port)
        before = -1
        while sent != before:
            before = sent
            for _ in range(50):
                await asyncio.sleep(0.001)
        assert connection.buffered < 1 << 20
        await connection.skip(64 << 20)
        connection.abort()


async def test_a_server_that_takes_nothing_is_given_up() -> None:
    async with serving(lambda reader, writer: asyncio.Event().wait()) as port:
        connection = await connected(port)
        with pytest.raises(ConnectionLost, match="took nothing"):
            await connection.write(b"x" * (32 << 20), timeout=0.2)


async def test_a_reader_cancelled_inside_a_literal_leaves_no_connection_that_could_answer_wrongly() -> None:
    async with serving(saying(b"half", hold=True)) as port:
        connection = await connected(port)
        reading = asyncio.create_task(connection.read_exactly(8))
        async with asyncio.timeout(5):
            while not connection.received:
                await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        with pytest.raises(ConnectionLost, match="cancelled"):
            await connection.read_line(10)


async def test_waiting_for_anything_to_read_fails_nothing() -> None:
    async with serving(saying(b"one\r\n", hold=True)) as port:
        connection = await connected(port)
        assert await connection.readable(5)
        assert await connection.read_line(10) == b"one"
        assert not await connection.readable(0.01)
        assert not connection.lost
        connection.close()


# --- impatience ------------------------------------------------------------------------------------------------------


def test_silence_ends_after_so_many_seconds_without_progress() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with serving(saying(b"begun", hold=True)) as port:
            connection = await connected(port)
            await connection.readable(10)
            begun = loop.time()
            with pytest.raises(ConnectionLost, match="sent nothing for 30 s"):
                await connection.read_line(100, timeout=30)
            assert 29 < loop.time() - begun < 31

    run_virtual(main)


@pytest.mark.parametrize("what", ["line", "literal"])
def test_a_server_that_drips_one_octet_a_minute_is_given_up(what: str) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(50)

    async def main(loop: VirtualLoop) -> None:
        async with serving(drip) as port:
            connection = await connected(port)
            begun = loop.time()
            with pytest.raises(ConnectionLost, match="too slowly"):
                await (connection.read_line(8192) if what == "line" else connection.read_exactly(1_000_000))
            assert loop.time() - begun < module.GRACE_SECONDS + 1_000_000 / module.SLOWEST_RATE + 51

    run_virtual(main)


def test_a_slow_but_steady_server_is_waited_for() -> None:
    async def steady(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(100):
            writer.write(b"x" * 100_000)
            await asyncio.sleep(1.9)
        await reader.read()

    async def main(loop: VirtualLoop) -> None:
        async with serving(steady) as port:
            connection = await connected(port)
            assert len(await connection.read_exactly(10_000_000, timeout=5)) == 10_000_000
            connection.close()

    run_virtual(main)


def test_an_address_that_never_answers_costs_the_deadline_and_no_more() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main(loop: VirtualLoop) -> None:
        async with serving(never) as port:
            begun = loop.time()
            with pytest.raises(ConnectionLost, match="within 90 s"):
                await Connection.open(Endpoint("127.0.0.1", port))
            assert 89 < loop.time() - begun < 91

    run_virtual(main)


# --- TLS -------------------------------------------------------------------------------------------------------------


async def test_tls_connects_where_the_certificate_is_trusted_and_says_what_was_agreed(
    authority: trustme.CA, trusted: Path
) -> None:
    async with serving(saying(b"* OK secret\r\n", hold=True), server_context(authority)) as port:
        connection = await Connection.open(Endpoint("localhost", port, truststore_file=trusted))
        assert await connection.read_line(100) == b"* OK secret"
        assert connection.protected
        assert connection.facts.version == "TLSv1.3"
        assert connection.facts.expires > datetime.datetime.now().timestamp()
        assert None not in (connection.timing.dns, connection.timing.tcp, connection.timing.tls)
        connection.close()


async def test_megabytes_go_both_ways_under_tls(authority: trustme.CA, trusted: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(3_000_000))
        await reader.read()

    octets = bytes(range(250)) * 12_000
    async with serving(echo, server_context(authority)) as port:
        connection = await Connection.open(Endpoint("127.0.0.1", port, truststore_file=trusted))
        await connection.write(octets)
        assert await connection.read_exactly(len(octets)) == octets
        connection.close()


async def test_the_end_of_a_tls_connection_is_noticed(authority: trustme.CA, trusted: Path) -> None:
    async with serving(saying(b"* BYE now\r\n"), server_context(authority)) as port:
        connection = await Connection.open(Endpoint("127.0.0.1", port, truststore_file=trusted))
        assert await connection.read_line(100) == b"* BYE now"
        with pytest.raises(ConnectionLost):
            await connection.read_line(100)


async def refusal(endpoint: Endpoint) -> InsecureConnection:
    with pytest.raises(InsecureConnection) as caught:
        await Connection.open(endpoint)
    assert caught.value.hint
    return caught.value


async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, trusted: Path) -> None:
    async with serving(saying(hold=True), server_context(authority, "mail.example.com")) as port:
        fault = await refusal(Endpoint("localhost", port, truststore_file=trusted))
    assert "another host name" in fault.reason
    assert fault.setting == "receiver.host"


async def test_an_expired_certificate_is_refused(authority: trustme.CA, trusted: Path) -> None:
    past = datetime.datetime(2020, 1, 1)
    context = server_context(authority, not_before=datetime.datetime(2019, 1, 1), not_after=past)
    async with serving(saying(hold=True), context) as port:
        fault = await refusal(Endpoint("127.0.0.1", port, truststore_file=trusted))
    assert "has expired" in fault.reason


async def test_an_unknown_authority_is_refused_and_names_the_setting_that_would_trust_it(authority: trustme.CA) -> None:
    async with serving(saying(hold=True), server_context(authority)) as port:
        fault = await refusal(Endpoint("127.0.0.1", port, section="sender"))
    assert "not trusted" in fault.reason
    assert fault.setting == "sender.truststore_file"


async def test_a_server_below_the_lowest_version_is_refused(authority: trustme.CA, trusted: Path) -> None:
    context = server_context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(saying(hold=True), context) as port:
        connection = await Connection.open(Endpoint("127.0.0.1", port, truststore_file=trusted))
        assert connection.facts.version == "TLSv1.2"
        connection.close()
    with socket.create_server(("127.0.0.1", 0)) as listening:  # asyncio's TLS server forgets to send the alert
        refusing = asyncio.create_task(asyncio.to_thread(accept_once, listening, context))
        port = listening.getsockname()[1]
        fault = await refusal(Endpoint("127.0.0.1", port, truststore_file=trusted, min_tls=LowestTLS.TLS_1_3))
        await refusing
    assert fault.setting == "receiver.min_tls"


def accept_once(listening: socket.socket, context: ssl.SSLContext) -> None:
    accepted, _ = listening.accept()
    with accepted, pytest.raises(ssl.SSLError), context.wrap_socket(accepted, server_side=True):
        pass


@pytest.mark.parametrize("greeting", [b"", b"* OK hello\r\n"])
async def test_a_port_that_speaks_in_clear_is_no_tls_port(greeting: bytes, trusted: Path) -> None:
    async def clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read(1)
        writer.write(b"what?\r\n")
        await reader.read()

    async with serving(clear) as port:
        fault = await refusal(Endpoint("127.0.0.1", port, truststore_file=trusted))
    assert "does not speak TLS" in fault.reason
    assert fault.setting == "receiver.security"


async def test_a_server_that_hangs_up_on_our_hello_may_be_better_tomorrow(trusted: Path) -> None:
    async with serving(saying()) as port:
        with pytest.raises(ConnectionLost):
            await Connection.open(Endpoint("127.0.0.1", port, truststore_file=trusted))


async def test_an_unreadable_trust_store_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"\xff\xfe nothing")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(InsecureConnection, match=path.name) as caught:
            tls_context(Endpoint("localhost", 1, truststore_file=path))
        assert caught.value.setting == "receiver.truststore_file"


def test_one_context_serves_all_that_trust_the_same(trusted: Path) -> None:
    one = tls_context(Endpoint("a.example.com", 993, truststore_file=trusted))
    assert tls_context(Endpoint("b.example.com", 143, truststore_file=trusted)) is one
    assert tls_context(Endpoint("b.example.com", 143, truststore_file=trusted, min_tls=LowestTLS.TLS_1_3)) is not one
    assert one.verify_mode is ssl.CERT_REQUIRED
    assert one.check_hostname
    assert one.minimum_version is ssl.TLSVersion.TLSv1_2


# --- TLS later, and never ----------------------------------------------------------------------------------------------


def upgrading(context: ssl.SSLContext, consent: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(consent)
        await writer.drain()
        await writer.start_tls(context)
        writer.write(b"* under TLS\r\n")
        await reader.read()

    return handler


async def test_tls_begins_when_asked(authority: trustme.CA, trusted: Path) -> None:
    async with serving(upgrading(server_context(authority), b"a OK\r\n")) as port:
        connection = await connected(port, security=Security.STARTTLS, truststore_file=trusted)
        assert not connection.protected
        await connection.write(b"a STARTTLS\r\n")
        assert await connection.read_line(100) == b"a OK"
        await connection.start_tls()
        assert connection.protected
        assert await connection.read_line(100) == b"* under TLS"
        connection.close()


async def test_plaintext_behind_the_consent_ends_the_connection(authority: trustme.CA, trusted: Path) -> None:
    async with serving(upgrading(server_context(authority), b'a OK\r\n* LIST () "/" evil\r\n')) as port:
        connection = await connected(port, security=Security.STARTTLS, truststore_file=trusted)
        await connection.write(b"a STARTTLS\r\n")
        assert await connection.read_line(100) == b"a OK"
        with pytest.raises(InsecureConnection, match="in clear"):
            await connection.start_tls()
        assert not connection.protected
        with pytest.raises(InsecureConnection):
            await connection.write(b"a LOGIN\r\n")


def test_plaintext_goes_to_this_machine_only() -> None:
    clear = Endpoint("mail.example.com", 143, Security.NONE)
    permit(clear, ["127.0.0.1", "::1"])
    for addresses in (["192.0.2.1"], ["127.0.0.1", "192.0.2.1"], ["2001:db8::1"]):
        with pytest.raises(InsecureConnection) as caught:
            permit(clear, addresses)
        assert caught.value.setting == "receiver.security"
    permit(Endpoint("mail.example.com", 143, Security.NONE, insecure=True), ["192.0.2.1"])
    permit(Endpoint("mail.example.com", 143, Security.STARTTLS), ["192.0.2.1"])


def test_loopback_is_judged_by_the_address() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("10.0.0.1", "0.0.0.0", "fe80::1%eth0", "::ffff:192.0.2.1")))


# --- no server -------------------------------------------------------------------------------------------------------


async def test_an_unknown_host_is_said_by_name() -> None:
    for host in ("nowhere.invalid", "not a host..name", "x" * 300):
        with pytest.raises(ServerUnavailable, match="cannot be resolved") as caught:
            await Connection.open(Endpoint(host, 993))
        assert caught.value.setting == "receiver.host"


async def test_a_port_where_nobody_listens_is_said() -> None:
    async with serving(saying()) as port:
        pass
    with pytest.raises(ServerUnavailable, match="connection refused") as caught:
        await connected(port)
    assert caught.value.setting == "receiver.port"
