"""Lets a local account stand in for AWS in every Python of a test, also for hosts that the SDK names itself."""

import os

from helpers.local_account import connection

connection.redirect(os.environ["AWS_ENDPOINT_URL"])
