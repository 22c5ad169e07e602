"""Paths of a container, /home/ec2-user for one, as Python's own file functions see them on a notebook instance.

Programs of jobs are rewritten before they run (relocation.py). What a learner types into a notebook is not: here the
functions that take a path find the container's folders in the machine's private root. Programs in other languages, and
libraries that open files past Python, have to be given `~/SageMaker` instead.
"""

import builtins
import functools
import io
import os
import sys

ONE_PATH = (
    "access", "chdir", "chflags", "chmod", "chown", "getxattr", "listdir", "listxattr", "lstat", "mkdir", "mkfifo",
    "open", "readlink", "remove", "removexattr", "rmdir", "scandir", "setxattr", "stat", "statvfs", "truncate",
    "unlink", "utime",
)  # fmt: skip
TWO_PATHS = ("link", "rename", "replace", "symlink")


def begin():
    """Let Python's file functions know the container's paths, which the file `paths` beside Python names."""
    with open(os.path.join(sys.prefix, "paths")) as file:
        names = tuple(file.read().split())
    root = os.path.dirname(os.path.dirname(sys.prefix))

    def inward(path):
        """Return the path in the machine's root of a path of the container; any other as it is."""
        text = os.fspath(path) if isinstance(path, os.PathLike) else path
        inside = isinstance(text, str) and any(text == name or text.startswith(f"{name}/") for name in names)
        return root + text if inside else path

    builtins.open = io.open = taught(io.open, inward, 1)
    for count, functions in ((1, ONE_PATH), (2, TWO_PATHS)):
        for name in filter(functools.partial(hasattr, os), functions):
            before = getattr(os, name)
            after = taught(before, inward, count)
            setattr(os, name, after)
            for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
                if before in able:
                    able.add(after)


def taught(function, inward, count):
    """Return a file function whose first arguments, so many, may be paths of the container."""

    @functools.wraps(function)
    def call(*arguments, **options):
        return function(*map(inward, arguments[:count]), *arguments[count:], **options)

    return staticmethod(call)  # as a builtin, it is no method where a class holds it
