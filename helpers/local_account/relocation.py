"""Paths of a container, such as /opt/ml, stand for folders in a machine's private root; in both directions."""

import re
from pathlib import Path


class Relocation:
    """Rewrites container paths to the private root, and the private root back to container paths.

    >>> Relocation("/tmp/sm-1").inward("python /opt/ml/code/train.py --out=/opt/ml-other")
    'python /tmp/sm-1/opt/ml/code/train.py --out=/opt/ml-other'
    """

    def __init__(self, root, paths=("/opt/ml",)):
        self.root = str(root)
        self.outside = re.compile(re.escape(self.root) + r"(?:/|(?![\w-]))")
        # A whole path only: not the tail of another (/mnt/opt/ml), nor the head of another name (/opt/ml-tools).
        named = "|".join(re.escape(path.rstrip("/")) for path in sorted(paths, key=len, reverse=True))
        pattern = rf"(?:(?<=://)|(?<![\w.\-/~}})]))(?:{named})(?!\.?[\w\-])"
        self.inside = re.compile(pattern)
        self.inside_bytes = re.compile(pattern.encode())

    def inward(self, text):
        """Return the text with the container's paths in the private root."""
        return self.inside.sub(lambda found: self.root + found[0], text)

    def outward(self, text):
        """Return the text with the private root's paths as the container has them."""
        return self.outside.sub("/", text) if self.root in text else text

    def data(self, data):
        """Return the bytes of a text file with its paths rewritten; those of a binary file as they are."""
        root = self.root.encode()
        return data if b"\0" in data else self.inside_bytes.sub(lambda found: root + found[0], data)

    def file(self, path):
        """Rewrite the paths in a text file; leave a binary file as it is."""
        before = Path(path).read_bytes()
        after = self.data(before)
        if after != before:
            Path(path).write_bytes(after)

    def tree(self, folder):
        """Rewrite the paths in every text file below a folder."""
        for path in Path(folder).rglob("*"):
            if path.is_file() and not path.is_symlink():
                self.file(path)
