"""`python -m litefuse` is the command `litefuse`."""

from litefuse.cli.main import main

raise SystemExit(main())
