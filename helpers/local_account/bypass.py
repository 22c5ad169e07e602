"""Large bodies go between socket and file past the parser of HTTP and the queues of the event loop.

On the usual way every byte that comes in is copied five times before it is hashed, in pieces that one thread hands to
the next. Here a thread reads into one small buffer, and what it does with a piece it does while the piece is in the
processor's cache. What goes out is copied by the system from file to socket, and this process does not see it.
"""

import asyncio
import os
import socket

from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PIECE = 256 * 1024  # bytes that are read, hashed and written at once
LARGE = 1024 * 1024  # bytes of a body for which the way past the event loop is worth it
DRY = 0.1  # seconds without a byte after which a thread turns to other work


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which lets the application take a body from the socket by itself."""

    def on_headers_complete(self):
        """Tell the application of this connection."""
        self.scope["extensions"] = {"course.connection": self}
        super().on_headers_complete()

    async def read_body(self, length, take, threads):
        """Call take(piece) in a thread of `threads` for each piece of the request's body, which has `length` bytes."""
        cycle = self.cycle
        self.flow.pause_reading()  # until the response is complete
        if cycle.waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        body = Body(self.transport.get_extra_info("socket"), bytes(cycle.body), length, take)
        cycle.body.clear()
        try:
            await body.read(threads)
        except BaseException:
            cycle.keep_alive = False  # nobody can tell where the next request begins
            raise
        finally:
            body.socket.close()
        if cycle.more_body:  # the parser has not seen the end, and shall not wait for it
            self.parser = type(self.parser)(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.on_message_complete()

    async def send_file(self, file, start, length):
        """Send bytes of an open file as the response's body, whose end is still to be sent."""
        cycle = self.cycle
        if cycle.disconnected:
            return
        try:
            cycle.expected_content_length -= await self.loop.sendfile(self.transport, file, start, length)
        except ConnectionError:
            cycle.disconnected = True
            self.transport.abort()


class Body:
    """A body of which some bytes have come, and the others are still to be read from the socket."""

    def __init__(self, connection, begun, length, take):
        self.socket = socket.socket(fileno=os.dup(connection.fileno()))
        self.socket.settimeout(DRY)
        self.begun, self.left, self.take, self.ended = begun, length - len(begun), take, False

    async def read(self, threads):
        """Read the body to its end."""
        loop = asyncio.get_running_loop()
        while True:
            reading = loop.run_in_executor(threads, self._read)
            try:
                await asyncio.shield(reading)
            finally:  # if this task was cancelled, the thread must not go on
                self.ended = True
                await asyncio.wait([reading])
                self.ended = False
            if not self.left:
                return
            readable = asyncio.Event()
            loop.add_reader(self.socket, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(self.socket)

    def _read(self):
        """Read until the body's end, or until the client pauses."""
        if self.begun:
            self.take(self.begun)
            self.begun = b""
        buffer = memoryview(bytearray(min(PIECE, self.left)))
        filled = 0
        while self.left and not self.ended:
            try:
                count = self.socket.recv_into(buffer[filled : min(len(buffer), filled + self.left)])
            except TimeoutError:
                break
            if not count:
                raise ClientDisconnect
            filled, self.left = filled + count, self.left - count
            if filled == len(buffer) or not self.left:
                self.take(buffer[:filled])
                filled = 0
        if filled:
            self.take(buffer[:filled])


def of(scope):
    """Return the connection by which the request of an ASGI scope came, if bodies can bypass it now, else None."""
    connection = scope.get("extensions", {}).get("course.connection")
    return connection if connection and connection.cycle.scope is scope else None
