"""`python -m litefuse` is `litefuse`."""

from litefuse.cli.main import main

main()
