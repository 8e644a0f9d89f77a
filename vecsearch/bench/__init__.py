"""Which representation is better on this corpus, by how much, at what cost, and how sure are we."""
