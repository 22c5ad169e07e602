"""The door of a notebook instance in a room: a port of the room's address, by TLS, that leads to the instance.

The instance itself listens to this computer alone, and the browsers of a room are elsewhere. So the account opens a
port at the address that the room was opened for, speaks TLS with the room's certificate there, and passes the bytes on.
Who may come in, the instance decides: by a link, then by a session.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
import threading

PIECE = 64 * 1024  # bytes that are passed on at once
HANDSHAKE = 20  # seconds that a browser may take to begin
HERE = "127.0.0.1"
PORTS = range(9400, 9900)  # the first that is free: whoever has a firewall can say so there


class Door:
    """A port of a room's address that leads to a port of this computer, until it is closed."""

    def __init__(self, room, to):
        """Open it; `room` is what POST /room has told. Raises OSError, of which SSLError is one, if it cannot be."""
        self.room, self.to, self.started, self.writers = room, to, threading.Event(), set()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(room["Certificate"], room["Key"])
        listening = _bound(room["Address"])
        self.place = f"{room['Address']}:{listening.getsockname()[1]}"
        self.thread = threading.Thread(target=self._run, args=(listening, context), name=f"door-{to}", daemon=True)
        self.thread.start()
        self.started.wait()

    def close(self):
        """Let nobody in any more, and hang up on those who are in."""
        with contextlib.suppress(RuntimeError):  # it is closed already
            self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(10)

    def _run(self, listening, context):
        try:
            asyncio.run(self._serve(listening, context))
        finally:
            self.started.set()  # nobody waits for a door that has failed

    async def _serve(self, listening, context):
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._pass_on, sock=listening, ssl=context, ssl_handshake_timeout=HANDSHAKE)
        self.started.set()
        await self.ended.wait()
        server.close()
        for writer in self.writers:
            writer.transport.abort()
        # The loop ends here, and with it what is passed on.

    async def _pass_on(self, reader, writer):
        self.writers.add(writer)
        try:
            there, back = await asyncio.open_connection(HERE, self.to)
            ways = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                back.close()
        except OSError:
            pass  # the instance has gone
        finally:
            writer.close()
            self.writers.discard(writer)


def _bound(address):
    """Return a socket that listens at the first port of the address that is free."""
    for port in PORTS:
        try:
            return socket.create_server((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(f"none of its ports from {PORTS.start} to {PORTS[-1]} is free")


async def _copy(reader, writer):
    """Pass on what comes, until one of the two ends."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
