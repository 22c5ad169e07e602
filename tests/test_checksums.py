"""Checksums come out the same, however the data is cut."""

import os
import zlib

import pytest

from helpers.local_account.errors import LocalLimit
from helpers.local_account.services import checksums

KNOWN = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}  # of 123456789, in every catalogue


def of(algorithm, *pieces):
    checksum = checksums.new(algorithm)
    for piece in pieces:
        checksum.update(piece)
    return checksum.digest()


@pytest.mark.parametrize("algorithm", KNOWN)
def test_the_known_value(algorithm):
    assert of(algorithm, b"123456789").hex() == of(algorithm, b"", b"1234", b"56789").hex() == KNOWN[algorithm]


@pytest.mark.parametrize("algorithm", checksums.POLYNOMIALS)
def test_the_checksum_of_the_whole_is_joined_from_the_parts(algorithm):
    data = os.urandom(300_001)
    parts = [data[:100_000], data[100_000:100_003], b"", data[100_003:]]
    joined = checksums.joined(algorithm, [(of(algorithm, part), len(part)) for part in parts])
    assert joined == of(algorithm, data) == of(algorithm, *parts)


def test_side_by_side_is_what_zlib_computes():
    data = os.urandom(1_000_003)
    crc = checksums.Crc("CRC32")
    crc.update(data)
    assert crc.digest() == zlib.crc32(data).to_bytes(4, "big")


def test_an_algorithm_that_the_account_lacks_is_refused():
    with pytest.raises(LocalLimit, match="but not XXHASH3"):
        checksums.new("XXHASH3")
