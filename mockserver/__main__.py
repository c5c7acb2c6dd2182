"""`python -m mockserver` is `dress-rehearsal`."""

from mockserver.cli import main

main()
