"""What Litefuse costs, and how to measure it again."""
