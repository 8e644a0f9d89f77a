"""Masked language modelling: only masked places count, and guesses become better."""

import numpy as np
import pytest
import torch

from tests.topics import SUBWORDS, written
from vecsearch.errors import UsageError
from vecsearch.training import precision
from vecsearch.training.masked import MaskedSettings, MaskedTask
from vecsearch.training.networks import network_model


def texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [written(rng, topic, 0, 10) for topic in rng.integers(0, 6, count)]


def task(kind: str = "transformer", **chosen: object) -> MaskedTask:
    model = network_model(kind, SUBWORDS, texts(50), 16)
    return MaskedTask(model, texts(200), MaskedSettings(batch=32, **chosen))


def gradients(made: MaskedTask) -> list[torch.Tensor]:
    return [each.grad.clone() for each in made.module.parameters() if each.grad is not None]


def test_a_step_follows_from_its_number_and_the_seed() -> None:
    made = [task(seed=1), task(seed=1), task(seed=2)]
    losses = []
    for each in made:
        each.module.eval()  # no dropout
        losses.append([each.backward(step) for step in (4, 5)])
    assert losses[0] == losses[1] != losses[2]
    assert losses[0][0] != losses[0][1]
    for one, other in zip(gradients(made[0]), gradients(made[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_only_the_mask_vector_stands_where_a_piece_is_hidden(monkeypatch) -> None:
    """With every piece hidden the guesses can't depend on the pieces."""
    monkeypatch.setattr("vecsearch.training.masked._MASKED", 1.0)
    made = task(share=0.999999)
    made.module.eval()
    ids = torch.randint(0, SUBWORDS.size, (2, 6))
    all_of_it = torch.ones(2, 6, dtype=torch.bool)
    guesses = made.module(ids, all_of_it, all_of_it, all_of_it)
    other = made.module((ids + 1) % SUBWORDS.size, all_of_it, all_of_it, all_of_it)
    torch.testing.assert_close(guesses, other)
    shown = made.module(ids, all_of_it, ~all_of_it, all_of_it)
    assert not torch.allclose(guesses, shown)


@pytest.mark.parametrize("kind", ["transformer", "gru"])
def test_in_half_precision_the_loss_is_still_of_float32(kind: str, monkeypatch) -> None:
    """The products are bfloat16 where that pays; the loss and the weights stay as they are."""
    losses, grads = [], []
    for pays in (False, True):
        monkeypatch.setattr(precision, "_pays", lambda device, pays=pays: pays)
        made, kept = task(kind), []
        made.module.eval()
        made.module.register_forward_hook(lambda _, given, found, kept=kept: kept.append(found))
        losses.append(made.backward(0))
        (guesses,) = kept
        assert guesses.dtype == torch.float32
        assert torch.equal(guesses.bfloat16().float(), guesses) == pays
        grads.append(torch.cat([each.flatten() for each in gradients(made)]))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    # float32 holds more digits of the loss than bfloat16 does.
    assert torch.tensor(losses[1]).bfloat16().item() != losses[1]
    assert grads[1].dtype == torch.float32
    assert torch.cosine_similarity(grads[0], grads[1], dim=0) > 0.99


def test_the_shares_that_are_guessed_masked_and_swapped() -> None:
    made = task(share=0.2)
    seen = []
    made.module.register_forward_pre_hook(lambda _, given: seen.append(given))
    for step in range(30):
        made.backward(step)
    mask = np.concatenate([given[1].numpy().ravel() for given in seen])
    hidden = np.concatenate([given[2].numpy().ravel() for given in seen])
    wanted = np.concatenate([given[3].numpy().ravel() for given in seen])
    assert not (wanted & ~mask).any()
    assert not (hidden & ~wanted).any()
    assert wanted.sum() / mask.sum() == pytest.approx(0.2, abs=0.02)
    assert hidden.sum() / wanted.sum() == pytest.approx(0.8, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transformer", "gru"])
def test_guesses_become_better_than_frequency(kind: str) -> None:
    made = task(kind)
    before = made.encoder().fingerprint
    optimizer = torch.optim.Adam(made.module.parameters(), lr=1e-2)
    losses = []
    for step in range(150):
        torch.manual_seed(step)
        optimizer.zero_grad()
        losses.append(made.backward(step))
        optimizer.step()
    counts = np.bincount(SUBWORDS.encode(texts(200)).ids, minlength=SUBWORDS.size)
    shares = counts[counts > 0] / counts.sum()
    entropy = -(shares * np.log(shares)).sum()
    assert np.mean(losses[-20:]) < entropy - 0.3
    assert made.encoder().fingerprint != before


def test_what_cannot_be() -> None:
    model = network_model("gru", SUBWORDS, texts(5), 16)
    with pytest.raises(UsageError, match="no text of two pieces"):
        MaskedTask(model, ["unknown", "t0w0", ""])
    for chosen in ({"batch": 0}, {"share": 0.0}, {"share": 1.0}, {"longest": 1}):
        with pytest.raises(UsageError, match="wants at least"):
            MaskedSettings(**chosen)
