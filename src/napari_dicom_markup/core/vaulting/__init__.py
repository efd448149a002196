"""The vault: key slots, sealed records, and deltas that give originals back byte for byte."""
