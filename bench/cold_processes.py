"""What cold.py measures besides vecsearch's command, each in a process of its own.

    python bench/cold_processes.py build PEER MODEL FOLDER    an index of FOLDER's documents
    python bench/cold_processes.py ask PEER MODEL FOLDER "ten words"
    python bench/cold_processes.py warm MODEL INDEX < queries

PEER: faiss, txtai or chromadb. MODEL: a sentence-transformers model's folder. FOLDER has the
documents in documents.json, [[id, text], ...], and their vectors in vectors.npy, which a peer takes
instead of encoding them; to ask takes neither but the texts, where the peer keeps none itself.

Nothing is imported before it is needed: the time of that is what counts.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

K = 10
TURN = 10


def show(answers: Iterable[tuple[str, float, str]]) -> None:
    """Print ids, scores and texts, best first, as vecsearch does into a pipe."""
    for rank, (name, score, text) in enumerate(answers, start=1):
        print(json.dumps({"rank": rank, "id": name, "score": score, "snippet": text[:240]}))


def rows_of(folder: str) -> list[tuple[str, str]]:
    """Read ids and texts."""
    with open(f"{folder}/documents.json", encoding="utf-8") as file:  # noqa: PTH123
        return [(name, text) for name, text in json.load(file)]


def vectors_of(folder: str) -> NDArray[np.float32]:
    """Read the documents' vectors."""
    import numpy as np

    vectors: NDArray[np.float32] = np.load(f"{folder}/vectors.npy")
    return vectors


def build_faiss(model: str, folder: str) -> None:
    """Exact search, as glue code does it on so few documents."""
    import faiss

    vectors = vectors_of(folder)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, f"{folder}/index.faiss")


def ask_faiss(model: str, folder: str, query: str) -> None:
    """Glue code of sentence-transformers and FAISS."""
    import faiss
    from sentence_transformers import SentenceTransformer

    index = faiss.read_index(f"{folder}/index.faiss")
    documents = rows_of(folder)
    scores, rows = index.search(SentenceTransformer(model).encode([query]), K)
    best = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
    show((documents[row][0], score, documents[row][1]) for row, score in best if row >= 0)


def build_txtai(model: str, folder: str) -> None:
    """Its defaults, and the texts kept."""
    from txtai import Embeddings  # type: ignore[import-not-found]
    from txtai.vectors.dense.huggingface import HFVectors  # type: ignore[import-not-found]

    rows = rows_of(folder)
    known = {text: i for i, (_, text) in enumerate(rows)}
    vectors = vectors_of(folder)
    HFVectors.encode = lambda self, data, category=None: vectors[[known[text] for text in data]]
    embeddings = Embeddings(path=model, content=True)
    embeddings.index(rows)
    embeddings.save(f"{folder}/txtai")


def ask_txtai(model: str, folder: str, query: str) -> None:
    """Load and search."""
    from txtai import Embeddings

    found = Embeddings().load(f"{folder}/txtai").search(query, K)
    show((each["id"], each["score"], each["text"]) for each in found)


def _chroma(model: str, folder: str) -> tuple[Any, Any]:
    """Return the client, and the same model as a function.

    What chromadb takes by default is an ONNX copy of MiniLM, which it downloads.
    """
    import chromadb  # type: ignore[import-not-found]
    from chromadb.utils import embedding_functions  # type: ignore[import-not-found]

    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(f"{folder}/chroma", settings)
    return client, embedding_functions.SentenceTransformerEmbeddingFunction(model)


def build_chromadb(model: str, folder: str) -> None:
    """Its defaults."""
    client, function = _chroma(model, folder)
    collection = client.create_collection("cold", embedding_function=function)
    rows, vectors = rows_of(folder), vectors_of(folder)
    for start in range(0, len(rows), 1000):
        ids, texts = zip(*rows[start : start + 1000], strict=True)
        block = vectors[start : start + 1000]
        collection.add(ids=list(ids), documents=list(texts), embeddings=block)


def ask_chromadb(model: str, folder: str, query: str) -> None:
    """Open and search."""
    client, function = _chroma(model, folder)
    collection = client.get_collection("cold", embedding_function=function)
    found = collection.query(query_texts=[query], n_results=K)
    scores = [1 - distance for distance in found["distances"][0]]
    show(zip(found["ids"][0], scores, found["documents"][0], strict=True))


PEERS: dict[str, tuple[Callable[[str, str], None], Callable[[str, str, str], None]]] = {
    "faiss": (build_faiss, ask_faiss),
    "txtai": (build_txtai, ask_txtai),
    "chromadb": (build_chromadb, ask_chromadb),
}


def warm(model: str, index: str, queries: Sequence[str]) -> dict[str, list[float]]:
    """Return the seconds of each query, by who answers it, in one thread; ten by each in turns.

    One by each would measure how long it takes to bring another model's weights into the cache.

    stock: SentenceTransformer.encode alone. numpy, compiled loops: vecsearch's whole search,
    encoding by either; it begins with numpy, and loads the loops for those who go on asking.
    """
    import time

    import torch
    from sentence_transformers import SentenceTransformer

    from vecsearch import Index, load_encoder
    from vecsearch.encoders.bert.encoder import BertEncoder

    torch.set_num_threads(1)
    stock = SentenceTransformer(model, device="cpu")

    def searching(spent: float) -> Callable[[str], object]:
        encoder = load_encoder("minilm", "cpu")
        if not isinstance(encoder, BertEncoder):
            raise SystemExit("minilm isn't run by our own code here.")
        encoder._spent = spent
        searcher = Index.open(index, encoder).searcher()
        return lambda query: searcher.search(query, K, by="dense")

    asked: dict[str, Callable[[str], object]] = {
        "stock": stock.encode,
        "numpy": searching(-float("inf")),
        "compiled loops": searching(float("inf")),
    }
    times: dict[str, list[float]] = {name: [] for name in asked}
    for first in range(0, len(queries), TURN):
        for name, answer in asked.items():
            answer(f"{queries[first]} again")
            for query in queries[first : first + TURN]:
                started = time.perf_counter()
                answer(query)
                times[name].append(time.perf_counter() - started)
    return times


def main(work: str, *words: str) -> None:
    """Do what the command line says."""
    if work == "warm":
        model, index = words
        print(json.dumps(warm(model, index, sys.stdin.read().splitlines())))
    elif work == "build":
        from importlib.metadata import version

        peer, model, folder = words
        PEERS[peer][0](model, folder)
        print(version("faiss-cpu" if peer == "faiss" else peer))
    else:
        peer, model, folder, query = words
        PEERS[peer][1](model, folder, query)


if __name__ == "__main__":
    main(*sys.argv[1:])
