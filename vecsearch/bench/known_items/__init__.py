from vecsearch.bench.known_items.asking import KINDS, Kind
from vecsearch.bench.known_items.making import KnownItems, make_known_items
