"""`python -m helpers.local_account FOLDER PORT REGION IDLE` serves the account; `course up` starts this."""

import sys

from .server import serve

if __name__ == "__main__":
    folder, port, region, idle = sys.argv[1:]
    serve(folder, int(port), region, float(idle))
