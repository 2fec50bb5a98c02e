"""``python -m twentywatts`` is the command."""

import sys

from twentywatts.cli import main

sys.exit(main())
