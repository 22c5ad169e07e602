"""The services of the local account, each named as boto3 names it."""
