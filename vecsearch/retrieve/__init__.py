"""Queries -> ranked rows: bag-of-words, embeddings, and fusions of retrievers, all alike."""
