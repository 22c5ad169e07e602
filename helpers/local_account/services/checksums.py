"""The checksums that S3 knows: computed piece by piece, and for CRCs also joined part to part."""

import base64
import hashlib
import zlib
from functools import cache, lru_cache

from ..errors import LocalLimit

# The polynomial of each CRC, its bits reversed, and its width
POLYNOMIALS = {
    "CRC32": (0xEDB88320, 32),
    "CRC32C": (0x82F63B78, 32),
    "CRC64NVME": (0x9A6C9329AC4BC9B5, 64),
}
HASHES = ("MD5", "SHA1", "SHA256", "SHA512")
ALGORITHMS = (*POLYNOMIALS, *HASHES)
LANES = 2048  # so many pieces of the data are walked side by side


def new(algorithm):
    """Return a checksum of nothing yet: update(data) and digest(), as of hashlib."""
    if algorithm in HASHES:
        return hashlib.new(algorithm.lower(), usedforsecurity=False)
    if algorithm == "CRC32":
        return Crc32()
    if algorithm in POLYNOMIALS:
        return Crc(algorithm)
    raise LocalLimit(f"The local account knows the checksums {', '.join(ALGORITHMS)}, but not {algorithm}.")


def text(digest):
    """Return a digest as S3 writes it: Base64 of its bytes, the highest first."""
    return base64.b64encode(digest).decode()


def of_parts(algorithm, digests):
    """Return the COMPOSITE checksum of an object: the checksum of its parts' checksums, and how many they are."""
    whole = new(algorithm)
    whole.update(b"".join(digests))
    return f"{text(whole.digest())}-{len(digests)}"


def joined(algorithm, parts):
    """Return the CRC of data from the CRCs and sizes of its parts, without reading the data again."""
    value = 0
    for digest, size in parts:
        value = _apply(_zeros(algorithm, size), value) ^ int.from_bytes(digest, "big")
    return value.to_bytes(POLYNOMIALS[algorithm][1] // 8, "big")


class Crc32:
    """CRC32, which zlib computes."""

    value = 0

    def update(self, data):
        """Take more data."""
        self.value = zlib.crc32(data, self.value)

    def digest(self):
        """Return the checksum of the data so far."""
        return self.value.to_bytes(4, "big")


class Crc:
    """A CRC that no library here computes: numpy walks many pieces of the data at once, then joins them.

    A CRC is linear: the register after a piece A and a piece B is the register of A, moved on by len(B) zeros, xor the
    register of B alone.
    """

    def __init__(self, algorithm):
        self.algorithm, self.width = algorithm, POLYNOMIALS[algorithm][1]
        self.register = (1 << self.width) - 1

    def update(self, data):
        """Take more data."""
        length = len(data) // LANES
        if length >= 8:
            self._update_side_by_side(memoryview(data)[: length * LANES], length)
            data = memoryview(data)[length * LANES :]
        register, table = self.register, _table(self.algorithm)
        for byte in data:
            register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
        self.register = register

    def _update_side_by_side(self, data, length):
        import numpy

        table = numpy.array(_table(self.algorithm), dtype=numpy.uint64)
        columns = numpy.ascontiguousarray(numpy.frombuffer(data, dtype=numpy.uint8).reshape(LANES, length).T)
        registers = numpy.zeros(LANES, dtype=numpy.uint64)
        registers[0] = self.register
        low, eight = numpy.uint64(0xFF), numpy.uint64(8)
        for column in columns:
            registers = table[(registers ^ column) & low] ^ (registers >> eight)
        while len(registers) > 1:  # neighbours join, until one is left
            left, right = registers[0::2], registers[1::2].copy()
            for bit, moved in enumerate(_zeros(self.algorithm, length)):
                right ^= ((left >> numpy.uint64(bit)) & numpy.uint64(1)) * numpy.uint64(moved)
            registers, length = right, length * 2
        self.register = int(registers[0])

    def digest(self):
        """Return the checksum of the data so far."""
        return (self.register ^ ((1 << self.width) - 1)).to_bytes(self.width // 8, "big")


@cache
def _table(algorithm):
    """Return the register after each of the 256 bytes."""
    polynomial, table = POLYNOMIALS[algorithm][0], []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return table


@lru_cache(maxsize=256)
def _zeros(algorithm, count):
    """Return what `count` zero bytes do to a register: for each of its bits, what that bit becomes."""
    table, width = _table(algorithm), POLYNOMIALS[algorithm][1]
    result = [1 << bit for bit in range(width)]
    power = [table[bit & 0xFF] ^ (bit >> 8) for bit in result]  # one zero byte, then two, four, eight, …
    while count:
        if count & 1:
            result = [_apply(power, bit) for bit in result]
        power, count = [_apply(power, bit) for bit in power], count >> 1
    return result


def _apply(bits, register):
    value = 0
    for moved in bits:
        if register & 1:
            value ^= moved
        register >>= 1
    return value
