"""Nearest neighbours within one segment: exact, or approximate with a recall that was proved.

`base` is the protocol; `exact` the index that needs no structure; `structure` says what else there
is, `building` builds it, `approximate` searches it and scores the best of what it finds exactly;
`planner` decides by cost what a filter asks for. `bound` is how sure a recall is; `questions` are
what it is measured with, `measuring` measures it, `trials` are what is tried, `choosing` picks,
`tuning` puts these together and `contract` keeps what came of it. `opening` finds the index of a
segment, `growth` says when it was tuned for another one.
"""
