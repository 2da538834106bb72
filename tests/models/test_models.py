"""The network, its batches, its fit and its folder."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dataclasses import asdict  # noqa: E402
from functools import partial  # noqa: E402

from streamad.models.autoencoder import errors, forward, masks  # noqa: E402
from streamad.models.config import AutoencoderConfig, TrainingConfig  # noqa: E402
from streamad.models.runner import BatchRunner, choose_device, prepare  # noqa: E402
from streamad.models.store import load_model, save_model  # noqa: E402
from streamad.models.training import first_weights, fit  # noqa: E402

pytestmark = pytest.mark.deep
CONFIG = AutoencoderConfig(length=32, channels=2, patch=8, hidden=12, code=4)


def some_weights(n: int = 3, config: AutoencoderConfig = CONFIG) -> np.ndarray:
    return np.stack([first_weights(config, np.random.default_rng(i)) for i in range(n)])


def some_windows(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    windows = rng.normal(size=(n, CONFIG.length, CONFIG.channels))
    windows[rng.random(windows.shape) < 0.05] = np.nan
    return windows


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def plain_forward(config: AutoencoderConfig, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    start = 0
    for i, (a, b) in enumerate(config.shapes):
        part = weights[start : start + a * b].reshape(a, b).astype(np.float64)
        start += a * b
        x = x @ part if i % 2 == 0 else x + part
        if i % 2 == 1 and i < len(config.shapes) - 1:
            x = np.maximum(x, 0.0)
    return x


def test_the_network_is_the_one_that_plain_numpy_computes():
    weights, x = some_weights(2), np.random.default_rng(0).normal(size=(2, 5, CONFIG.size))
    made = forward(CONFIG, torch.from_numpy(weights), torch.from_numpy(x.astype(np.float32)))
    for g in range(2):
        np.testing.assert_allclose(made[g], plain_forward(CONFIG, weights[g], x[g]), atol=1e-5)


def test_the_masks_hide_every_number_exactly_once():
    np.testing.assert_array_equal(masks(CONFIG).sum(dim=0), np.ones(CONFIG.size))


def test_the_error_of_a_patch_does_not_see_the_patch():
    weights = torch.from_numpy(some_weights(1))
    x = torch.randn(1, 1, CONFIG.size, generator=torch.Generator().manual_seed(1))
    seen = torch.ones_like(x)
    changed = x.clone()
    changed[..., : 8 * CONFIG.channels] = 7.0
    shown = [forward(CONFIG, weights, a * (1 - masks(CONFIG)[0])) for a in (x, changed)]
    np.testing.assert_array_equal(shown[0], shown[1])
    before, after = (errors(CONFIG, weights, a, seen)[..., 0, :] for a in (x, changed))
    assert not np.allclose(before, after)


def test_missing_numbers_do_not_count_in_the_error():
    weights = torch.from_numpy(some_weights(1))
    x = torch.zeros(1, 1, CONFIG.size)
    seen = torch.ones_like(x)
    seen[..., : 8 * CONFIG.channels] = 0.0
    found = errors(CONFIG, weights, x, seen)
    np.testing.assert_array_equal(found[0, 0, 0], np.zeros(CONFIG.channels))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_window_gets_the_same_bits_wherever_it_lies_in_the_batch(threads):
    runner = BatchRunner(partial(errors, CONFIG), groups=3, rows=8, device="cpu")
    windows, weights = some_windows(60), some_weights(5)
    group = np.random.default_rng(2).integers(0, 5, 60)
    torch.set_num_threads(threads)
    whole = runner.run(windows, group, weights)
    for order in (np.arange(60)[::-1], np.random.default_rng(3).permutation(60)):
        again = runner.run(windows[order], group[order], weights)
        np.testing.assert_array_equal(again, whole[order])
    for i in (0, 17, 59):
        alone = runner.run(windows[i : i + 1], group[i : i + 1], weights)
        np.testing.assert_array_equal(alone[0], whole[i])


def test_the_runner_only_ever_calls_the_model_with_one_shape():
    shapes = set()

    def model(weights, x, seen):
        shapes.add((tuple(weights.shape), tuple(x.shape), tuple(seen.shape)))
        return x

    runner = BatchRunner(model, groups=2, rows=4, device="cpu")
    for n in (1, 4, 9, 30):
        out = runner.run(some_windows(n), np.arange(n) % 3, some_weights())
        assert out.shape == (n, CONFIG.size)
    assert len(shapes) == 1


def test_missing_values_become_a_mask_and_large_ones_are_compressed():
    x, seen = prepare(np.array([[np.nan, 0.0, 1e9, -1e9]]))
    np.testing.assert_array_equal(seen, [[0, 1, 1, 1]])
    np.testing.assert_allclose(x, [[0, 0, np.arcsinh(8), -np.arcsinh(8)]], rtol=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no CUDA device: use auto or cpu"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-4), (True, 2e-2)])
def test_a_gpu_agrees_with_the_cpu(half, tolerance):
    windows, weights, group = some_windows(40), some_weights(), np.arange(40) % 3
    model = partial(errors, CONFIG)
    cpu = BatchRunner(model, device="cpu").run(windows, group, weights)
    gpu = BatchRunner(model, device="cuda", half=half).run(windows, group, weights)
    np.testing.assert_allclose(gpu, cpu, atol=tolerance)


def sines(n: int) -> np.ndarray:
    t = np.arange(CONFIG.length)[None, :, None] + np.random.default_rng(5).uniform(0, 60, (n, 1, 1))
    return np.concatenate((np.sin(t * 0.3), np.cos(t * 0.3)), axis=2).reshape(n, -1)


def test_the_fit_restores_what_it_was_shown_better_than_chance():
    windows = sines(120).astype(np.float32)
    weights = np.stack(
        [
            fit(CONFIG, TrainingConfig(steps=steps), windows, np.random.default_rng(0))
            for steps in (0, 300)
        ]
    )
    x, seen = (torch.from_numpy(a)[None].expand(2, -1, -1) for a in prepare(sines(50)))
    untrained, trained = errors(CONFIG, torch.from_numpy(weights), x, seen).mean(dim=(1, 2, 3))
    assert trained < 0.4 * untrained


def test_the_fit_gives_the_same_bits_with_any_number_of_threads():
    windows = sines(64).astype(np.float32)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(fit(CONFIG, TrainingConfig(steps=20), windows, np.random.default_rng(4)))
    np.testing.assert_array_equal(found[0], found[1])


def saved(folder) -> dict[str, np.ndarray]:
    tensors = {"weights": some_weights(1)[0]}
    save_model(folder, "masked autoencoder", asdict(CONFIG), tensors)
    return tensors


def test_a_model_folder_gives_back_what_was_saved(tmp_path):
    tensors = saved(tmp_path / "model")
    found = load_model(tmp_path / "model")
    assert (found.kind, found.config) == ("masked autoencoder", asdict(CONFIG))
    np.testing.assert_array_equal(found.tensors["weights"], tensors["weights"])


def test_altered_weights_are_refused_before_they_are_parsed(tmp_path):
    saved(tmp_path)
    path = tmp_path / "weights.safetensors"
    body = bytearray(path.read_bytes())
    body[-3] ^= 1
    path.write_bytes(body)
    with pytest.raises(ValueError, match="sha256"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.pkl"])
def test_a_pickle_in_a_model_folder_is_never_run(tmp_path, name):
    class Canary:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    saved(tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(pickle.dumps(Canary()))
    with pytest.raises(ValueError, match=r"sha256|never read"):
        load_model(tmp_path / "model")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("manifest", "part"),
    [
        ("not json", "is not JSON"),
        ("[1, 2]", "should have format"),
        ('{"format": "streamad.model/9"}', "another version"),
        ('{"format": "streamad.model/1", "kind": "x", "config": {}}', "sha256 should be a str"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, manifest, part):
    saved(tmp_path)
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ValueError, match=part):
        load_model(tmp_path)


def test_garbage_with_the_right_digest_is_refused(tmp_path):
    import hashlib

    saved(tmp_path)
    path = tmp_path / "manifest.json"
    (tmp_path / "weights.safetensors").write_bytes(b"garbage")
    manifest = json.loads(path.read_text()) | {"sha256": hashlib.sha256(b"garbage").hexdigest()}
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="not in safetensors format"):
        load_model(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.json"):
        load_model(tmp_path)
