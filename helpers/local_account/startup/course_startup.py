"""What every Python on a machine of the local account does first: it becomes the account's client, and knows its hosts.

Nothing is imported before the program imports it itself: botocore is redirected when it comes, socket taught when it
comes.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Afterwards:
    """A finder that lets a module be imported as always, then does something with it."""

    def __init__(self, actions):
        self.actions = actions

    def find_spec(self, name, path=None, target=None):
        """Find the module by the other finders, and put the action behind its execution."""
        action = self.actions.pop(name, None)
        if action is None:
            return None
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                action(module)

            spec.loader.exec_module = exec_module
        return spec


def redirected(url):
    """Return what turns every botocore client of this process to the account."""

    def redirect(_):
        from importlib.util import module_from_spec, spec_from_file_location

        spec = spec_from_file_location("course_connection", os.path.join(FOLDER, "connection.py"))
        connection = module_from_spec(spec)
        spec.loader.exec_module(connection)
        connection.redirect(url)

    return redirect


def naming(hosts):
    """Return what lets the names of a job's hosts, algo-1 and on, resolve."""

    def teach(socket):
        def asking(function):
            def ask(host, *arguments, **options):
                name = host.decode() if isinstance(host, bytes) else host
                return function(hosts.get(name, host), *arguments, **options)

            ask.__name__, ask.__doc__ = function.__name__, function.__doc__
            return ask

        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
            setattr(socket, name, asking(getattr(socket, name)))

        class NamedSocket(socket.socket):
            """A socket that may be bound and connected to a host of the job by name."""

            __slots__ = ()

            def bind(self, address):
                return super().bind(known(address))

            def connect(self, address):
                return super().connect(known(address))

            def connect_ex(self, address):
                return super().connect_ex(known(address))

        def known(address):
            return (hosts.get(address[0], address[0]), *address[1:]) if isinstance(address, tuple) else address

        NamedSocket.__name__ = NamedSocket.__qualname__ = "socket"
        NamedSocket.__module__ = "socket"
        socket.socket = NamedSocket

    return teach


def begin():
    """Read what the machine says of itself and prepare for the imports to come."""
    with open(os.path.join(sys.prefix, "account")) as file:
        hosts = dict(line.split() for line in file)  # "url http://127.0.0.1:4000", "algo-1 127.0.0.1"
    actions = {"botocore.httpsession": redirected(hosts.pop("url"))}
    if hosts:
        actions["socket"] = naming(hosts)
    sys.meta_path.insert(0, Afterwards(actions))
    if os.path.exists(os.path.join(sys.prefix, "paths")):
        import container_paths

        container_paths.begin()


begin()
