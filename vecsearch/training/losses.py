"""What is minimised: that a query is nearest to its document, and that vectors are a teacher's.

Every loss takes vectors of any length, (texts, dim), and makes them unit vectors itself; one of
zeros stays so. All return one number a row, for the caller to average.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vecsearch.errors import UsageError

Dims: TypeAlias = Sequence[int]
"""How long the prefixes of a vector are that must do as vectors; none for the whole alone."""


def info_nce(
    queries: Tensor,
    documents: Tensor,
    positives: Tensor,
    counted: Tensor,
    *,
    temperature: float,
    dims: Dims = (),
    weights: Sequence[float] = (),
) -> Tensor:
    """Return for each query how surprising its document is among all that count: (queries,).

    It is -ln(exp(s+ / t) / sum of exp(s / t)), s being cosines, s+ that of the query's document and
    the sum over it and its negatives: the documents of the other queries, and hard ones.

    queries: (queries, dim). documents: (documents, dim), those of the queries and hard negatives.
    positives: (queries,) int64, the row of `documents` that answers each query.
    counted: (queries, documents) bool, what stands in each query's sum; its positive always does.
    temperature: t, above 0.
    dims, weights: see `over_prefixes`.

    van den Oord, Li & Vinyals, Representation learning with contrastive predictive coding, 2018;
    with the batch's documents as negatives after Henderson et al., Efficient natural language
    response suggestion for Smart Reply, 2017.
    """
    others = ~counted
    others[torch.arange(len(positives), device=others.device), positives] = False

    def surprise(query: Tensor, document: Tensor) -> Tensor:
        scores = unit(query) @ unit(document).T / temperature  # (queries, documents)
        return F.cross_entropy(scores.masked_fill(others, -torch.inf), positives, reduction="none")

    return over_prefixes(surprise, queries, documents, dims, weights)


def score_distillation(
    queries: Tensor,
    documents: Tensor,
    teacher_queries: Tensor,
    teacher_documents: Tensor,
    *,
    temperature: float,
    teacher_temperature: float,
    dims: Dims = (),
    weights: Sequence[float] = (),
) -> Tensor:
    """Return for each query how far the student's ranking of the batch is from the teacher's.

    It is KL(teacher || student) in nats, both being a softmax over all documents of cosines over a
    temperature of their own: (queries,). `teacher_*` have a dimension of their own.

    dims, weights: see `over_prefixes`; the teacher's vectors are taken whole.

    Hinton, Vinyals & Dean, Distilling the knowledge in a neural network, 2015; over the batch's
    documents after Lin, Yang & Lin, In-batch negatives for knowledge distillation with
    tightly-coupled teachers for dense retrieval, RepL4NLP 2021.
    """
    wanted = unit(teacher_queries) @ unit(teacher_documents).T / teacher_temperature
    wanted = F.log_softmax(wanted, 1)  # (queries, documents)

    def divergence(query: Tensor, document: Tensor) -> Tensor:
        found = F.log_softmax(unit(query) @ unit(document).T / temperature, 1)
        return F.kl_div(found, wanted, reduction="none", log_target=True).sum(1)

    return over_prefixes(divergence, queries, documents, dims, weights)


def vector_distillation(vectors: Tensor, teacher: Tensor, head: nn.Module) -> Tensor:
    """Return 1 - the cosine of each vector, once the head has turned it, and the teacher's.

    vectors: (texts, dim). teacher: (texts, its dim). head: from one dimension to the other, trained
    along and thrown away after. The result is (texts,), between 0 and 2.

    A student's vectors compared through a layer of their own are Romero et al., FitNets: hints for
    thin deep nets, ICLR 2015; here by the cosine, which is all that a search uses.
    """
    return 1 - (unit(head(vectors)) * unit(teacher)).sum(1)


def over_prefixes(
    loss: Callable[[Tensor, Tensor], Tensor],
    queries: Tensor,
    documents: Tensor,
    dims: Dims,
    weights: Sequence[float],
) -> Tensor:
    """Average a loss over prefixes of the vectors, so that each prefix is a good vector itself.

    dims: lengths of the prefixes; the whole vector alone where there are none.
    weights: how much each counts; equally where there are none. The result is their mean.

    Kusupati et al., Matryoshka representation learning, NeurIPS 2022.
    """
    lengths = check_dims(dims, weights, queries.shape[1]) or (queries.shape[1],)
    shares = tuple(weights) or (1.0,) * len(lengths)
    parts = [
        share * loss(queries[:, :length], documents[:, :length])
        for length, share in zip(lengths, shares, strict=True)
    ]
    return torch.stack(parts).sum(0) / sum(shares)


def check_dims(dims: Dims, weights: Sequence[float], dim: int) -> tuple[int, ...]:
    """Return the prefixes; raise UsageError for ones that vectors of `dim` numbers don't have."""
    if any(not 1 <= each <= dim for each in dims) or len(set(dims)) < len(dims):
        raise UsageError(
            f"The prefixes of vectors of {dim} dimensions are distinct and from 1 to {dim}, "
            f"not {_listed(dims)}."
        )
    if weights and (len(weights) != len(dims) or min(weights) < 0 or not sum(weights)):
        raise UsageError(
            f"Each of the prefixes {_listed(dims)} has one weight of 0 or more, and not all are 0; "
            f"the weights are {_listed(weights)}."
        )
    return tuple(dims)


def unit(vectors: Tensor) -> Tensor:
    """Divide rows by their length; one that is shorter than a millionth by that, as zeros are."""
    return F.normalize(vectors, dim=1, eps=1e-6)


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{each:g}" for each in numbers) or "none"
