"""Our own runner of models of BERT's architecture, such as those of MiniLM, BGE, E5 and GTE.

`architecture` says whether a model is one, `weights` maps its numbers, `tokens` cuts texts, and two
forward passes give the same vectors: `plain` with numpy alone, at once, and `packed` with torch,
many times faster once it is loaded. `encoder` chooses.
"""
