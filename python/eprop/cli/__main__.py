"""``python -m eprop.cli`` is ``eprop``."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
