"""What the chapters import: the seam to an account, its clean-up, its costs, its figures."""
