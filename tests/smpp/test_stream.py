"""Sessions on real loopback sockets, with asyncio's own loop and with uvloop."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smpp import events as e
from smpp import pdu as p
from smpp import stream
from smpp.codec import Framer, decode, encode
from smpp.errors import RequestTimeout, SessionClosed
from smpp.session import SessionConfig

HOST = "127.0.0.1"
WIDE = SessionConfig(window=2000, unbind_response_seconds=1)


async def reached(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until `condition` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not reached in time"
        await asyncio.sleep(0.005)


class Smsc:
    """A server that binds everybody and answers submit_sm; keeps what it saw."""

    def __init__(self) -> None:
        self.connections: list[stream.Connection] = []
        self.batches: list[list[e.Event]] = []
        self.answering = True

    def accept(self, connection: stream.Connection) -> None:
        self.connections.append(connection)
        connection.on_events = lambda batch: self.on_events(connection, batch)

    def on_events(self, connection: stream.Connection, batch: list[e.Event]) -> None:
        self.batches.append(batch)
        for event in batch:
            match event:
                case e.RequestReceived(pdu=p.BindTransceiver() as bind):
                    connection.respond(bind.reply(system_id="smsc"))
                case e.RequestReceived(pdu=p.SubmitSm() as sm) if self.answering:
                    connection.respond(sm.reply(message_id=str(sm.sequence)))

    def closed(self) -> list[e.Closed]:
        return [event for batch in self.batches for event in batch if isinstance(event, e.Closed)]


async def bound(port: int, **options) -> stream.Connection:
    connection = await stream.connect(HOST, port, config=options.pop("config", WIDE), **options)
    answer = await connection.request(p.BindTransceiver(system_id="me", password="pw"))
    assert answer.status == 0
    return connection


async def test_a_client_binds_submits_in_bulk_and_unbinds():
    smsc, seen = Smsc(), []
    server = await stream.serve(smsc.accept, HOST, 0, config=WIDE)
    client = await bound(server.port, on_events=seen.extend)
    for index in range(1000):
        client.submit(p.SubmitSm(short_message=b"hi"), index)
    await reached(lambda: len(seen) == 1001)
    assert [event.context for event in seen[1:]] == list(range(1000))
    assert isinstance(seen[0], e.Bound)
    await client.unbind()
    assert seen[-1] == e.Closed(e.CloseReason.UNBOUND)
    await reached(smsc.closed)
    assert smsc.closed()[0].reason is e.CloseReason.PEER_UNBOUND
    # A thousand PDUs submitted in one turn left in few writes and arrived in few batches.
    assert len(smsc.batches) < 100
    await reached(lambda: not server.connections)
    await server.close()


async def test_nagle_is_off_in_both_roles():
    smsc = Smsc()
    server = await stream.serve(smsc.accept, HOST, 0)
    client = await bound(server.port)
    for connection in (client, smsc.connections[0]):
        raw = connection._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    client.abort()
    await server.close()


def self_signed(folder) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's and the client's context for a fresh certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smsc")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_tls_carries_a_session_and_a_stranger_is_refused(tmp_path):
    smsc = Smsc()
    for_server, for_client = self_signed(tmp_path)
    server = await stream.serve(smsc.accept, HOST, 0, ssl=for_server)
    client = await bound(server.port, ssl=for_client)
    assert (await client.request(p.SubmitSm(short_message=b"hi"))).message_id == "2"
    await client.unbind()
    with pytest.raises(ssl.SSLCertVerificationError):
        await stream.connect(HOST, server.port, ssl=ssl.create_default_context())
    await server.close()


async def test_connecting_has_a_deadline_and_a_refusal_is_an_os_error(tmp_path):
    _, for_client = self_signed(tmp_path)
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TimeoutError):
            await stream.connect(HOST, port, ssl=for_client, timeout=0.2)
    with pytest.raises(OSError):
        await stream.connect(HOST, port)


async def test_a_lost_connection_hands_back_what_is_unanswered():
    smsc, seen = Smsc(), []
    smsc.answering = False
    server = await stream.serve(smsc.accept, HOST, 0)
    client = await bound(server.port, on_events=seen.extend)
    client.submit(p.SubmitSm(), "open")
    waiting = asyncio.ensure_future(client.request(p.SubmitSm()))
    await reached(lambda: smsc.connections[0].session.pending_requests == 2)
    smsc.connections[0].abort()
    closed = await client.wait_closed()
    with pytest.raises(SessionClosed):
        await waiting
    assert seen[-1].reason is e.CloseReason.CONNECTION_LOST
    assert [left.context for left in seen[-1].unanswered] == ["open"]
    assert client.closed
    assert not client.writable
    assert closed.reason is e.CloseReason.CONNECTION_LOST
    with pytest.raises(SessionClosed):
        client.submit(p.SubmitSm())
    await server.close()


async def test_a_reset_takes_back_what_the_peer_has_not_read():
    loop = asyncio.get_running_loop()
    listener = socket.create_server((HOST, 0))
    listener.setblocking(False)
    client = await stream.connect(HOST, listener.getsockname()[1], config=WIDE)
    peer, _ = await loop.sock_accept(listener)
    peer.settimeout(5)
    peer.setblocking(True)
    client.reset()
    assert await client.wait_closed()
    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(peer.recv, 10)
    peer.close()
    listener.close()


async def test_an_unbind_can_be_a_request_and_requests_still_open_at_the_end_are_told():
    smsc = Smsc()
    smsc.answering = False
    server = await stream.serve(smsc.accept, HOST, 0)
    client = await bound(server.port)
    waiting = asyncio.ensure_future(client.request(p.SubmitSm()))
    await asyncio.sleep(0)
    assert (await client.request(p.Unbind())).name == "unbind_resp"
    with pytest.raises(SessionClosed):
        await waiting
    await server.close()


async def test_unbinding_a_connection_that_is_not_bound_closes_it():
    smsc = Smsc()
    server = await stream.serve(smsc.accept, HOST, 0)
    client = await stream.connect(HOST, server.port)
    await client.unbind()
    assert (await client.wait_closed()).reason is e.CloseReason.LOCAL
    await server.close()


async def test_a_request_without_an_answer_times_out_and_frees_its_slot():
    smsc = Smsc()
    smsc.answering = False
    server = await stream.serve(smsc.accept, HOST, 0)
    limits = stream.StreamLimits(tick_seconds=0.02)
    client = await bound(server.port, limits=limits)
    with pytest.raises(RequestTimeout):
        await client.request(p.SubmitSm(), timeout=0.05)
    assert client.session.outstanding == 0
    client.abort()
    await server.close()


async def test_the_answer_to_a_cancelled_request_does_not_reach_the_owner():
    smsc, seen = Smsc(), []
    smsc.answering = False
    server = await stream.serve(smsc.accept, HOST, 0)
    client = await bound(server.port, on_events=seen.extend)
    seen.clear()
    waiting = asyncio.ensure_future(client.request(p.SubmitSm()))
    await reached(lambda: smsc.connections[0].session.pending_requests)
    waiting.cancel()
    request = smsc.batches[-1][0].pdu
    smsc.connections[0].respond(request.reply(message_id="1"))
    await reached(lambda: client.session.outstanding == 0)
    assert seen == []
    client.abort()
    await server.close()


async def silent_reader(port: int) -> socket.socket:
    """Bind over a plain socket and never read again."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, (HOST, port))
    await loop.sock_sendall(raw, encode(p.BindTransceiver(system_id="slow", sequence=1)))
    framer = Framer()
    while not (frames := framer.feed(await loop.sock_recv(raw, 4096))):
        pass
    assert decode(frames[0]).status == 0
    return raw


@pytest.mark.parametrize(
    "limits",
    [
        stream.StreamLimits(write_high=20_000, write_cut=200_000, tick_seconds=0.02),
        stream.StreamLimits(write_high=20_000, slow_reader_seconds=0.2, tick_seconds=0.02),
    ],
    ids=["too much unread", "unread for too long"],
)
async def test_a_slow_reader_is_told_apart_and_cut(limits):
    smsc = Smsc()
    config = SessionConfig(window=100_000)
    server = await stream.serve(smsc.accept, HOST, 0, config=config, limits=limits)
    raw = await silent_reader(server.port)
    (connection,) = smsc.connections
    message = p.DeliverSm(tlvs=p.Tlvs([(0x0424, b"x" * 60_000)]))
    was_unwritable = False
    sent = 0
    deadline = time.monotonic() + 10
    by_size = limits.slow_reader_seconds > 1
    while not connection.closed and time.monotonic() < deadline:
        if connection.writable or by_size:
            connection.submit(message, sent)
            sent += 1
        was_unwritable = was_unwritable or not connection.writable
        await asyncio.sleep(0)
    assert was_unwritable
    (closed,) = smsc.closed()
    assert closed.reason is e.CloseReason.SLOW_READER
    assert [left.context for left in closed.unanswered] == list(range(sent))
    raw.close()
    await server.close()


async def test_a_reader_that_catches_up_makes_the_connection_writable_again():
    smsc = Smsc()
    limits = stream.StreamLimits(write_high=20_000, slow_reader_seconds=30, write_cut=1 << 30)
    config = SessionConfig(window=100_000)
    server = await stream.serve(smsc.accept, HOST, 0, config=config, limits=limits)
    raw = await silent_reader(server.port)
    (connection,) = smsc.connections
    woken = asyncio.Event()
    connection.on_writable = woken.set
    while connection.writable:
        connection.submit(p.DeliverSm(tlvs=p.Tlvs([(0x0424, b"x" * 60_000)])))
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        while not woken.is_set():
            await loop.sock_recv(raw, 1 << 20)
    assert connection.writable
    raw.close()
    await server.close(grace=0.1)


async def test_closing_a_server_unbinds_its_clients_and_stops_accepting():
    smsc, seen = Smsc(), []
    server = await stream.serve(smsc.accept, HOST, 0)
    port = server.port
    client = await bound(port, on_events=seen.extend)
    unbound = await stream.connect(HOST, port)
    await server.close(grace=2)
    assert (await client.wait_closed()).reason is e.CloseReason.PEER_UNBOUND
    assert (await unbound.wait_closed()).reason is e.CloseReason.CONNECTION_LOST
    with pytest.raises(OSError):
        await stream.connect(HOST, port)


async def test_garbage_is_nacked_and_cut():
    smsc = Smsc()
    server = await stream.serve(smsc.accept, HOST, 0)
    reader, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert decode(answer).name == "generic_nack"
    assert smsc.closed()[0].reason is e.CloseReason.FRAMING
    writer.close()
    await server.close()


async def test_a_socket_that_never_binds_is_closed_after_the_init_time():
    smsc = Smsc()
    server = await stream.serve(
        smsc.accept,
        HOST,
        0,
        config=SessionConfig(session_init_seconds=0.05),
        limits=stream.StreamLimits(tick_seconds=0.02),
    )
    client = await stream.connect(HOST, server.port)
    await client.wait_closed()
    assert smsc.closed()[0].reason is e.CloseReason.INIT_TIMEOUT
    await reached(lambda: not server.connections)
    await server.close()
