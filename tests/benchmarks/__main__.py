"""`python -m tests.benchmarks [names] [--quick]`."""

from tests.benchmarks.run import main

main()
