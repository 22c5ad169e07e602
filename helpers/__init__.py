"""What the chapters import: the seam to an account, its clean-up, its costs, its figures."""

import sys

# The SDK and Jupyter import `jsonschema`, and with it a grammar of addresses in all alphabets. To build its parser
# takes half of the time of `import sagemaker.core`, and nobody here checks such an address.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # Python's own way to say that it is not there
