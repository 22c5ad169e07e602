"""Paths of a container become paths of a machine's private root, and come back as they were."""

import pytest

from helpers.local_account.relocation import Relocation

RELOCATION = Relocation("/tmp/sm-1", ["/opt/ml", "/ckpt"])


@pytest.mark.parametrize(
    ("container", "machine"),
    [
        ("/opt/ml", "/tmp/sm-1/opt/ml"),
        ("cat /opt/ml/input/config/*.json", "cat /tmp/sm-1/opt/ml/input/config/*.json"),
        ("--out=/opt/ml/model --in '/opt/ml/input'", "--out=/tmp/sm-1/opt/ml/model --in '/tmp/sm-1/opt/ml/input'"),
        ("PATH=/opt/ml/code:/opt/ml/bin", "PATH=/tmp/sm-1/opt/ml/code:/tmp/sm-1/opt/ml/bin"),
        ("file:///opt/ml/model", "file:///tmp/sm-1/opt/ml/model"),
        ("It lies in /opt/ml.", "It lies in /tmp/sm-1/opt/ml."),
        ("/ckpt/a", "/tmp/sm-1/ckpt/a"),
    ],
)
def test_a_path_of_the_container_goes_to_the_private_root_and_back(container, machine):
    assert RELOCATION.inward(container) == machine
    assert RELOCATION.outward(machine) == container


@pytest.mark.parametrize(
    "text",
    [
        "/mnt/opt/ml/x",
        "/opt/mlflow",
        "/opt/ml-tools/x",
        "/opt/ml.old",
        "/opt/ml_2",
        "s3://bucket/opt/ml",
        "./opt/ml",
        "~/opt/ml",
    ],
)
def test_what_only_looks_like_the_path_stays(text):
    assert RELOCATION.inward(text) == text


def test_the_private_root_itself_is_the_root_of_the_container():
    assert RELOCATION.outward("PWD=/tmp/sm-1") == "PWD=/"
    assert RELOCATION.outward("/tmp/sm-12/x") == "/tmp/sm-12/x"


def test_text_files_of_a_tree_are_rewritten_and_binary_ones_are_not(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/train.py").write_bytes("open('/opt/ml/x')  # naïve".encode("latin-1"))
    (tmp_path / "data.bin").write_bytes(b"\0/opt/ml/x")
    RELOCATION.tree(tmp_path)
    assert (tmp_path / "a/train.py").read_bytes() == "open('/tmp/sm-1/opt/ml/x')  # naïve".encode("latin-1")
    assert (tmp_path / "data.bin").read_bytes() == b"\0/opt/ml/x"


def test_a_program_stays_executable(tmp_path):
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\ncat /opt/ml/x\n")
    script.chmod(0o755)
    RELOCATION.file(script)
    assert script.stat().st_mode & 0o111 == 0o111
