"""The door before the TLS handshake counts everybody out whom it counted in."""

import asyncio
import socket
import ssl

import pytest

from tests.support.certificates import self_signed
from workers.smpp_server.tls import SecureListener


@pytest.mark.parametrize("what", ["no TLS", "our fault"])
def test_a_connection_that_comes_to_nothing_leaves_whatever_the_reason(what, tmp_path):
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def build():
        if what == "our fault":
            raise RuntimeError("a defect")
        return asyncio.Protocol()

    async def run():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # the defect is told there
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        inside, left = [], asyncio.Event()

        def leave(address):
            inside.remove(address)
            left.set()

        listener = SecureListener(
            listening, context, enter=lambda address: not inside.append(address), leave=leave, build=build
        )
        _, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"\0" * 16)
        await asyncio.wait_for(left.wait(), 5)
        assert inside == []
        writer.close()
        listener.close()

    asyncio.run(run())
