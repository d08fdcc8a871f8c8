"""``python -m twinkit``."""

import sys

from twinkit.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
