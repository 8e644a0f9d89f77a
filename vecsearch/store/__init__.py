"""What is on disk: immutable segments, one manifest, one commit point.

files -> arrays -> (documents, columns, postings) -> segment -> snapshot; manifest beside them.
"""
