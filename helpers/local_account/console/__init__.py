"""The console: web pages at the account's own address that show what is in the account."""
