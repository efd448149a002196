"""What the package knows, free of input and output: order, values, exact copies."""
