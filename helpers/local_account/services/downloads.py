"""What a response carries out: bytes of an object's file, read piece by piece."""

import asyncio
import os
from dataclasses import dataclass

from starlette.responses import Response

from .. import bypass

PIECE = 512 * 1024  # bytes that are read at once; the next piece is read while one is sent
AT_ONCE = 64 * 1024  # bytes that are read on the event loop; what is longer goes to a thread


@dataclass
class Slice:
    """Some bytes of an open file, which a thread of `threads` reads."""

    file: object
    start: int
    length: int
    threads: object


class Download(Response):
    """A response whose body is a slice of a file."""

    def __init__(self, part, status, headers):
        super().__init__(status_code=status, headers={**headers, "content-length": str(part.length)})
        self.part = part

    async def __call__(self, scope, receive, send):
        """Send the slice; the file is closed at the end, whatever happens."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if self.part.length >= bypass.LARGE and (connection := bypass.of(scope)):
                await connection.send_file(self.part.file, self.part.start, self.part.length)
            else:
                async for piece in self.pieces():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.part.file.close()

    async def pieces(self):
        """Yield the slice piece by piece."""
        number, position, end = self.part.file.fileno(), self.part.start, self.part.start + self.part.length
        if self.part.length <= AT_ONCE:
            yield os.pread(number, self.part.length, position)
            return
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self.part.threads, os.pread, number, min(PIECE, end - position), position)
        try:
            while position < end:
                piece = await reading
                if not piece:  # somebody cut the file by hand; what was promised cannot be sent
                    return
                position += len(piece)
                reading = loop.run_in_executor(
                    self.part.threads, os.pread, number, min(PIECE, end - position), position
                )
                yield piece
        finally:
            await asyncio.wait([reading])  # before the file is closed
