"""JupyterLab as the course sets it up, in the learner's lab and in the account's notebook instances."""
