"""What the parts cost, beside what they are measured against. Run `python -m benchmarks`; nothing ships."""
