"""What people start: the command line, the demo of the fermentation, its report."""
