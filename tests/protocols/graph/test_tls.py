"""TLS on the way to Graph: certificate, host name and lowest version are held before a token is sent."""

import ssl

import pytest
import trustme

from listener.errors import ConnectionLost, InsecureConnection
from listener.protocols.endpoint import Endpoint, LowestTLS
from listener.protocols.graph.mailbox import GraphMailbox, GraphSettings
from tests.protocols.graph.desk import USER, graph, token


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def served(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def opened_over_tls(server, truststore, **kwargs):
    there = Endpoint(**{"host": "localhost", "port": server.port, "truststore_file": truststore} | kwargs)
    box = await GraphMailbox.open(there, USER, token, GraphSettings())
    await box.close()


@pytest.fixture
def truststore(authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


async def test_over_tls_with_a_truststore(served, truststore):
    async with graph(tls=served) as server:
        await opened_over_tls(server, truststore)
        assert server.counters.requests == 1


async def test_a_certificate_that_is_not_trusted_costs_no_token(served):
    async with graph(tls=served) as server:
        with pytest.raises(InsecureConnection, match="certificate"):
            await opened_over_tls(server, None)
        assert server.transcript == []


async def test_a_certificate_for_another_host_costs_no_token(served, truststore):
    async with graph(tls=served) as server:
        with pytest.raises(InsecureConnection, match="another host name") as told:
            await opened_over_tls(server, truststore, host="127.0.0.1")
        assert told.value.setting == "receiver.host"
        assert server.transcript == []


async def test_a_lowest_version_is_held(served, truststore):
    served.maximum_version = ssl.TLSVersion.TLSv1_2
    async with graph(tls=served) as server:
        with pytest.raises((InsecureConnection, ConnectionLost)):
            await opened_over_tls(server, truststore, min_tls=LowestTLS.TLS_1_3)
        assert server.transcript == []


async def test_a_server_without_tls_gets_no_token(truststore):
    async with graph() as server:
        with pytest.raises((InsecureConnection, ConnectionLost)):
            await opened_over_tls(server, truststore)
        assert server.transcript == []
