"""The account's bell: whoever waits for something to happen is woken when it does."""

import asyncio
import threading


class Changes:
    """A counter of changes that coroutines can wait on and any thread can advance."""

    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()
        self.waiting = set()
        self.ended = False

    def announce(self):
        """Say that something changed; may be called from any thread."""
        with self.lock:
            self.count += 1
            woken, self.waiting = self.waiting, set()
        for loop, future in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, future)

    def end(self):
        """Say that the account ends, so that nobody waits for more."""
        self.ended = True
        self.announce()

    async def wait(self, since, seconds):
        """Return the count as soon as it differs from `since`, or after so many seconds."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self.lock:
            if self.count != since:
                return self.count
            self.waiting.add((loop, future))
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            pass
        finally:
            with self.lock:
                self.waiting.discard((loop, future))
        return self.count


def _wake(future):
    if not future.done():
        future.set_result(None)
