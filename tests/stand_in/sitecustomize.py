"""Lets a local account stand in for AWS in every Python of a test, also for hosts that the SDK names itself.

Waits end with the work, as on the local account: AWS's own code looks every 30 seconds only.
"""

import os

from helpers import waiting
from helpers.local_account import connection

connection.redirect(os.environ["AWS_ENDPOINT_URL"])
waiting.end_early(dict(os.environ))
