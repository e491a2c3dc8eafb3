"""What the program tells about itself: events, and the log lines, metrics and spans made of them."""
