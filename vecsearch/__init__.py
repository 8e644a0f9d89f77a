"""Text retrieval from bag-of-words to neural embeddings, behind one search interface."""
