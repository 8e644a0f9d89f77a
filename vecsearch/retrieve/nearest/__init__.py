"""Nearest neighbours within one segment: exact, or approximate with a recall that was proved.

`base` is the protocol; `exact` the index that needs no structure; `quantized` scans codes and
scores the best of them exactly; `planner` decides by cost what a filter asks for. `bound` is how
sure a recall is; `measuring` measures it, `choosing` picks by it, `tuning` puts these together and
`contract` keeps what came of it. `opening` finds the index of a segment, `growth` says when it was
tuned for another one.
"""
