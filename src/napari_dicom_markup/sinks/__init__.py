"""Everything that writes: whole, proven and named last, or not at all."""
