"""`python -m helpers.local_account FOLDER PORT REGION IDLE ENFORCE` serves the account; `course up` starts this."""

import sys

from .server import serve

if __name__ == "__main__":
    folder, port, region, idle, enforce = sys.argv[1:]
    serve(folder, int(port), region, float(idle), {"yes": True, "no": False}.get(enforce))
