"""A run on a simulated GPU: ``python tests/support/simulated_gpu.py KEY=VALUE ...`` with the overrides of ``train.py``.

Tensors of the device ``simgpu`` are in host memory, but an operation on them refuses tensors of the CPU, as CUDA does
(scalars and indices are allowed). So a tensor that stays on the wrong device ends the run with an error. Precision,
kernels, generators and streams of CUDA are not simulated.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("simgpu")
DEVICE = torch.device("simgpu", 0)
aten = torch.ops.aten
_BETWEEN_DEVICES = {aten.copy_.default, aten._to_copy.default}
_INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
_OF_PYTHON_VALUES = {aten._local_scalar_dense.default, aten.equal.default}


class SimulatedTensor(torch.Tensor):
    """A tensor of the simulated device, around the tensor ``inner`` of the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "SimulatedTensor":
        """Return a tensor with the shape, strides and type of ``inner``."""
        wrapper: SimulatedTensor = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=DEVICE,
        )
        wrapper.inner = inner
        return wrapper

    def __deepcopy__(self, memo: dict[int, Any]) -> torch.Tensor:
        if id(self) not in memo:
            copied: torch.Tensor = SimulatedTensor(self.inner.detach().clone())
            if isinstance(self, torch.nn.Parameter):
                copied = torch.nn.Parameter(copied)
            memo[id(self)] = copied.requires_grad_(self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A checkpoint holds the tensor of the CPU.
        return self.inner.detach().__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation on the inner tensors."""
        del types
        return _run(func, args, kwargs or {})


class SimulatedDevice(TorchDispatchMode):
    """Operations within the block may make and mix tensors as on a machine with the simulated device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation on the inner tensors."""
        del types
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    simulated = [tensor for tensor in tensors if isinstance(tensor, SimulatedTensor)]
    if simulated and func not in _BETWEEN_DEVICES:
        _refuse_mixed(func, args, tensors)
    asked = kwargs.get("device")
    on_device = bool(simulated) if asked is None else torch.device(asked).type == DEVICE.type
    if func is aten.copy_.default:
        on_device = isinstance(args[0], SimulatedTensor)
    args, kwargs = tree_map(_unwrap, args), tree_map(_unwrap, kwargs)
    if asked is not None:
        kwargs["device"] = "cpu"
    found = func(*args, **kwargs)
    if func in _OF_PYTHON_VALUES or not on_device:
        return found.clone() if simulated and found is args[0] else found
    # An operation in place returns its own argument.
    same = {id(tensor.inner): tensor for tensor in simulated} if func._schema.is_mutable else {}

    def wrap(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return same[id(value)] if id(value) in same else SimulatedTensor(value)

    return tree_map(wrap, found)


def _refuse_mixed(func: Any, args: Any, tensors: list[torch.Tensor]) -> None:
    others = [one for one in tensors if not isinstance(one, SimulatedTensor) and one.ndim > 0]
    if func in _INDEXING and isinstance(args[0], SimulatedTensor):
        # Indices may be on the CPU, values may not.
        others = [one for one in others if one is (args[2] if len(args) > 2 else None)]
    if others:
        raise RuntimeError(f"{func} mixes tensors of {DEVICE} and of the CPU, {[tuple(one.shape) for one in others]}")


def _unwrap(value: Any) -> Any:
    return value.inner if isinstance(value, SimulatedTensor) else value


class _Accelerator(CPUAccelerator):
    def setup_device(self, device: torch.device) -> None:
        """Accept the simulated device."""


def _make_trainer(**settings: Any) -> Trainer:
    strategy = SingleDeviceStrategy(DEVICE, accelerator=_Accelerator())
    settings = {key: value for key, value in settings.items() if key not in ("accelerator", "devices")}
    return Trainer(**settings | {"strategy": strategy, "deterministic": False, "inference_mode": False})


def main(overrides: list[str]) -> None:
    """Run the pipeline on the simulated device."""
    real_tensor = torch.tensor

    def tensor(data: Any, *, device: Any = None, **settings: Any) -> torch.Tensor:
        # torch.tensor hides the making of its result from modes.
        return real_tensor(data, **settings).to(device or "cpu")

    # A wrapper cannot be an inference tensor.
    torch.tensor, torch.inference_mode = tensor, lambda _=True: torch.no_grad()  # type: ignore[assignment,misc]
    from compression.config.compose import compose_run
    from compression.core.seeding import make_generator
    from compression.data import batches
    from compression.run import context, pipeline
    from compression.run.machine import Machine
    from compression.run.training import fit

    context.find_machine = lambda _: Machine(device=DEVICE, precision="32-true", threads=1)
    batches.make_generator = lambda *parts, **_: make_generator(*parts)
    fit.Trainer = _make_trainer  # type: ignore[misc,assignment]
    config, run_dir = compose_run(overrides)
    with SimulatedDevice():
        pipeline.run(config, run_dir=Path(run_dir))


if __name__ == "__main__":
    main(sys.argv[1:])
