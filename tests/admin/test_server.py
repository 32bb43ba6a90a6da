"""Binding: who may open what, and one clear line when an address cannot be had."""

import os
import socket
import ssl
import stat

import pytest
import trustme

from listener.admin.server import AdminServer, AdminUnavailable, admin_token, generated_token, tls_of
from listener.admin.sockets import bind_private
from listener.config import Admin

from .conftest import running


async def test_the_control_socket_is_ours_alone_and_gone_at_the_end(tmp_path):
    async with running(tmp_path / "s") as admined:
        path = admined.folder / "control.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await admined.control("/readyz"))[0] == 200
    assert not path.exists()


async def test_a_left_over_control_socket_is_replaced(tmp_path):
    left_over = bind_private(tmp_path / "control.sock")
    left_over.close()
    bind_private(tmp_path / "control.sock").close()


async def test_a_state_directory_with_a_very_long_path_has_a_control_socket_too(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    listening = bind_private(deep / "control.sock")
    listening.listen()
    assert stat.S_ISSOCK((deep / "control.sock").stat().st_mode)
    listening.close()


async def test_a_port_in_use_is_one_line_that_names_the_setting_and_leaves_nothing_bound(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        async with running(tmp_path / "s") as admined:
            server = AdminServer(admined.server._api)
            with pytest.raises(AdminUnavailable) as caught:
                await server.start(Admin(bind="127.0.0.1:0", probe_bind=bind), tmp_path)
            assert f"admin.probe_bind: cannot listen on {bind}: address already in use; end what" in str(caught.value)
            assert not server.addresses
            assert not (tmp_path / "control.sock").exists()


def test_a_token_is_generated_once_and_for_our_eyes_only(tmp_path):
    first = generated_token(tmp_path)
    assert len(first) >= 32
    assert generated_token(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "admin-token").stat().st_mode) == 0o600


def test_an_empty_token_lets_nobody_in(tmp_path):
    (tmp_path / "token").write_text("\n")
    with pytest.raises(AdminUnavailable, match="is empty"):
        admin_token(Admin(token_file=str(tmp_path / "token")), tmp_path)
    (tmp_path / "admin-token").write_text("")
    with pytest.raises(AdminUnavailable, match="is empty"):
        generated_token(tmp_path)


def test_an_unreadable_token_says_which_setting(tmp_path):
    with pytest.raises(AdminUnavailable, match=r"admin\.token_file: .*no such file"):
        admin_token(Admin(token_file=str(tmp_path / "nope")), tmp_path)


def test_tls_of_our_own_serves_the_configured_certificate(tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)
    settings = Admin(cert_file=str(tmp_path / "cert.pem"), key_file=str(tmp_path / "key.pem"))
    assert isinstance(tls_of(settings), ssl.SSLContext)


def test_a_certificate_that_cannot_be_used_says_which_setting(tmp_path):
    (tmp_path / "cert.pem").write_text("not a certificate")
    settings = Admin(cert_file=str(tmp_path / "cert.pem"), key_file=str(tmp_path / "cert.pem"))
    with pytest.raises(AdminUnavailable, match=r"admin\.cert_file"):
        tls_of(settings)


def test_nothing_is_left_in_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        bind_private(tmp_path / "control.sock").close()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
