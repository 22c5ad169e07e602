"""Python on a notebook instance finds the container's folders in the machine's private root."""

import subprocess
import sys

import pytest

from helpers.local_account.startup import container_paths

BEGIN = """
import glob, io, os, shutil, sys, tempfile
from pathlib import Path
sys.prefix = sys.argv[1] + "/opt/python"
sys.path.insert(0, sys.argv[2])
import container_paths
container_paths.begin()
home = Path("/home/ec2-user")
"""
TRIALS = {
    "files are written, read, renamed and removed": """
        (home / "a").write_text("1"); (home / "a").rename(home / "b"); assert open("/home/ec2-user/b").read() == "1"
        os.remove("/home/ec2-user/b"); assert not (home / "b").exists()
    """,
    "folders are made, listed and searched": """
        os.makedirs("/home/ec2-user/x/y"); (home / "x/y/z").touch()
        assert os.listdir(home) == ["x"] and [each.name for each in (home / "x").iterdir()] == ["y"]
        assert glob.glob("/home/ec2-user/**/z", recursive=True) == ["/home/ec2-user/x/y/z"]
        assert [str(each) for each in home.rglob("z")] == ["/home/ec2-user/x/y/z"]
    """,
    "trees are copied, moved and removed": """
        (home / "d").mkdir(); (home / "d/a").write_text("1")
        shutil.copytree(home / "d", "/home/ec2-user/e"); shutil.move("/home/ec2-user/e", "/home/ec2-user/f")
        assert (home / "f/a").read_text() == "1"; shutil.rmtree("/home/ec2-user/f"); assert os.listdir(home) == ["d"]
    """,
    "a path that only begins alike is another": """
        assert not os.path.exists("/home/ec2-users") and not os.path.exists("/opt/mlx"); assert os.path.isdir("/opt/ml")
    """,
    "everything else is as ever": """
        os.listdir(); os.stat(0); os.scandir().close()
        with tempfile.TemporaryDirectory() as folder: Path(folder, "a").touch()
        class Holder: opened = open
        Path(sys.argv[1], "a").write_text("1"); assert Holder().opened(sys.argv[1] + "/a").read() == "1"
    """,
}


@pytest.mark.parametrize("trial", TRIALS)
def test_paths_of_the_container(tmp_path, trial):
    for folder in ("opt/python", "opt/ml", "home/ec2-user"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "opt/python/paths").write_text("/opt/ml\n/home/ec2-user")
    code = BEGIN + "\n".join(line.removeprefix(" " * 8) for line in TRIALS[trial].splitlines())
    startup = container_paths.__file__.rpartition("/")[0]
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), startup], capture_output=True, text=True, cwd=tmp_path, timeout=30
    )
    assert ran.returncode == 0, ran.stderr
