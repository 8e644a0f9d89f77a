"""Our own runner of models of BERT's architecture, such as those of MiniLM, BGE, E5 and GTE.

`architecture` says whether a model is one, `weights` maps its numbers, `tokens` cuts texts, and
four forward passes give the same vectors: `plain` with numpy alone, at once, and, faster once they
are loaded, `single` in compiled loops for few tokens, `packed` with torch for many, and `on_cuda`
with torch on a CUDA device. `encoder` chooses.
"""
