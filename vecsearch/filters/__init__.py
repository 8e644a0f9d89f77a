r"""Metadata filters: `lang = "en" and year >= 2020` becomes a mask over documents.

A filter joins comparisons by `and`, `or`, `not` and parentheses; `not` binds tighter than `and`,
`and` tighter than `or`. Keywords may be in any case. The comparisons are

    field = literal         also ==, !=, <, <=, >, >=
    field in (a, b, ...)    equal to one of them; also: not in
    field like "pattern"    % stands for any run of characters, _ for one; also: not like
    field is null           it has no value; also: is not null

Fields are written as they are where letters, digits, _, - and . are all they have, and otherwise in
backquotes: `my field` (a backquote within is doubled). Literals are

    "text" or 'text'        the quote itself is doubled; a backslash takes ", ', \, % or _ as it is
    2020, -1.5, 1e6         numbers
    true, false
    2024-05-31, 2024-05-31T12:30, 2024-05-31T12:30:59.5+02:00      dates, without quotes

What they mean:
- A document without the field, or with null, NaN or an empty list in it, satisfies no comparison;
  so `!=`, `not in` and `not like`, which say that `=`, `in` and `like` don't hold, are true for it.
- Of a list, one element that satisfies a comparison is enough; so `!=` says that none is equal.
- Text compares with text, by code point; numbers compare with numbers, by value; true and false are
  no numbers, and are only equal or not. A value of another kind than the literal doesn't satisfy
  the comparison; but a literal of a kind that no document has in that field is an error.
- `like` matches whole texts and ignores case (both sides are case-folded).
- A date compares with texts that are ISO 8601 dates or times, as instants; without a zone they are
  UTC. A field's date is its midnight. A literal date is its whole day: = is any instant of it,
  < before it, <= before its end, > after it, >= from its start. Digits after the sixth of a second
  are dropped.
- Whole numbers of 64 bits compare exactly; one beyond is an error as a literal, and is taken as the
  nearest float64 where a document has it, as 1e19 is.
- A field that no document has is an error, except in an index without documents. What deleted
  documents had counts until their segment is rewritten (`compact`): as to errors, never results.
"""

from vecsearch.filters.nodes import Filter
from vecsearch.filters.parser import parse_filter

__all__ = ["Filter", "parse_filter"]
