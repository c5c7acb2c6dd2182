"""`python -m mockserver` is `dress-rehearsal`."""

import sys

try:
    from mockserver.cli import main

    main()
except KeyboardInterrupt:  # while it was still being loaded
    sys.exit(130)
