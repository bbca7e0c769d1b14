"""Lists and tables of PyTorch's functions: right to the bit, and never copied from the host.

A device would wait for such a copy, and a CUDA graph refuses to record it. Without a GPU, the
functions run on a device that only has shapes, and each operation is looked at.
"""

import bisect
import functools
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import conformance
import pytest
import torch
import torch._dynamo
from conformance import NAMES, cases, tables_of
from emitted import emitted_path, load_broken, load_emitted
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LISTED = [name for name in NAMES if "def _table(" in emitted_path("torch", name).read_text("utf-8")]
AS_ON_A_DEVICE = ('device.type == "cpu" or torch.compiler', "torch.compiler")
AS_COPIED = ('device.type == "cpu" or torch.compiler.is_compiling()', "True")
WRITTEN_OUT = 16
"""Values of the longest list that compiled code chooses from one by one."""
COMPARED = 64
"""Places of the longest list that it compares a step with one by one."""


# -- what the host and the device wait for ---------------------------------------------------------


def through_the_host(function: Any, inputs: Any, results: Any) -> bool:
    """Whether an operation hands an array from the host to the device, or anything back.

    A number of the host beside an array of the device is an argument of the kernel.
    """
    taken = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]
    given = [leaf for leaf in tree_leaves(results) if isinstance(leaf, Tensor)]
    before, after = ({one.device.type for one in tensors} for tensors in (taken, given))
    if function is torch.ops.aten._local_scalar_dense.default:
        return "cuda" in before
    if function is torch.ops.aten.copy_.default:
        return len(before) > 1
    on_the_host = any(one.dim() for one in (*taken, *given) if one.device.type == "cpu")
    return on_the_host or bool(before and after and before.isdisjoint(after))


class Looking(TorchDispatchMode):
    """Notes each operation that goes through the host."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if through_the_host(function, (args, kwargs), result):
            self.noted.append(str(function))
        return result


def on_a_device(module: ModuleType, name: str, parameters: Mapping[str, Any]) -> list[str]:
    """The operations of an emitted function that go through the host, on a GPU without numbers.

    PyTorch for CPUs raises at most of them before they can be noted.
    """
    with FakeTensorMode():
        step = torch.zeros((), dtype=torch.int64, device="cuda")
        with Looking() as looking:
            try:
                getattr(module, name)(step, **parameters)
            except RuntimeError as error:
                looking.noted.append(str(error))
    return looking.noted


@pytest.mark.parametrize("name", NAMES)
def test_on_a_device_nothing_goes_through_the_host(name: str) -> None:
    module = load_emitted("torch", name)
    for case in cases(name)[:3]:
        assert [] == on_a_device(module, name, case.parameters), case.name


@pytest.mark.parametrize("name", LISTED)
def test_a_table_that_is_copied_is_noticed(name: str) -> None:
    module = load_broken("torch", name, *AS_COPIED)

    assert [] != on_a_device(module, name, cases(name)[0].parameters)


def test_a_number_that_the_host_reads_is_noticed() -> None:
    module = load_broken("torch", "linear", "step.long()", "torch.full_like(step, step.item())")

    assert [] != on_a_device(module, "linear", {})


# -- the same bits, however a list gets there ------------------------------------------------------


def refuse(*arguments: Any, **options: Any) -> Tensor:
    raise AssertionError("a tensor made from a list")


@pytest.mark.parametrize("name", LISTED)
def test_a_table_made_on_a_device_gives_the_same_bits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_broken("torch", name, *AS_ON_A_DEVICE)
    monkeypatch.setattr(torch, "tensor", refuse)

    conformance.check_all_float32(name, conformance.torch_runner(module, name))


@pytest.mark.parametrize("name", LISTED)
def test_entries_written_out_give_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_emitted("torch", name)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    if not tables_of(name):
        monkeypatch.setattr(torch, "tensor", refuse)

    conformance.check_all_float32(name, conformance.torch_runner(module, name))


@pytest.mark.parametrize("name", [name for name in LISTED if not tables_of(name)])
def test_a_table_made_wrong_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_broken("torch", name, *AS_ON_A_DEVICE)
    monkeypatch.setattr(torch, "_foreach_mul_", torch._foreach_add_)

    with pytest.raises(AssertionError):
        conformance.check_all_float32(name, conformance.torch_runner(module, name))


@pytest.mark.parametrize(
    ("name", "before"), [("multi_step", "step >= place"), ("stages", "index >= place")]
)
def test_entries_written_out_wrong_are_noticed(
    name: str, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_broken("torch", name, before, before.replace(">=", ">"))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)

    with pytest.raises(AssertionError):
        conformance.check_all_float32(name, conformance.torch_runner(module, name))


@pytest.mark.parametrize("way", ["copied", "made on a device", "written out"])
@pytest.mark.parametrize(
    "length", [0, 1, 2, WRITTEN_OUT - 3, WRITTEN_OUT - 2, COMPARED, COMPARED + 1, 200]
)
def test_any_length_and_any_shape(length: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change = AS_ON_A_DEVICE if way == "made on a device" else ("step = step.long()",) * 2
    module = load_broken("torch", "multi_step_factors", *change)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: way == "written out")
    places = [*range(3, 3 + length - 1), 2**63 - 1][:length]
    values = [-0.0, 5e-324, 1e308, *(1 / (place + 1) for place in range(length))]
    wholes = [2**63 - 1, 2**53 + 1, *range(length + 1)]
    steps = torch.tensor([[0, 2, 3], [4, 2**62, 2**63 - 1]])
    found = module._reached(places, steps)

    assert [[bisect.bisect_right(places, step) for step in row] for row in steps.tolist()] == (
        found.tolist()
    )
    bits = torch.tensor(values, dtype=torch.float64)[found].view(torch.int64)
    assert torch.equal(bits, module._entry(values, found, torch.float64).view(torch.int64))
    assert [[wholes[place] for place in row] for row in found.tolist()] == (
        module._entry(wholes, found, torch.int64).tolist()
    )
    assert () == module._entry(values, module._reached(places, steps[0, 0]), torch.float64).shape
    assert (0, 3) == module._entry(values, module._reached(places, steps[:0]), torch.float64).shape


# -- compiled --------------------------------------------------------------------------------------


def graph_of(function: Any, *inputs: Any) -> GraphModule:
    """What is left of ``function`` for inductor, or another compiler, to make code of."""
    graphs: list[GraphModule] = []

    def keep(graph: GraphModule, inputs: Any) -> GraphModule:
        graphs.append(graph)
        return graph

    torch._dynamo.reset()
    with FakeTensorMode():
        step = torch.zeros((), dtype=torch.int64, device="cuda")
        backend = aot_autograd(fw_compiler=keep)
        torch.compile(function, fullgraph=True, backend=backend)(step, *inputs)
    (graph,) = graphs
    return graph


def host_in(graph: GraphModule) -> list[str]:
    """The operations of a graph that go through the host."""
    return [
        str(node.target)
        for node in graph.graph.nodes
        if node.op == "call_function"
        and through_the_host(
            node.target, [one.meta.get("val") for one in node.all_input_nodes], node.meta["val"]
        )
    ]


def constant(graph: GraphModule) -> None:
    """Take what is known out of a graph: inductor has it on the device when it has compiled."""
    for node in list(graph.graph.nodes):
        known = [one.op == "get_attr" for one in node.all_input_nodes]
        if known and all(known):
            node.op, node.target, node.args, node.kwargs = "get_attr", "known", (), {}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_compiled_graph_goes_through_the_host(name: str) -> None:
    function = getattr(load_emitted("torch", name), name)
    graph = graph_of(functools.partial(function, **cases(name)[0].parameters))
    if tables_of(name):  # often longer than what is written out
        constant(graph)

    assert [] == host_in(graph)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multi_step_factors", "piecewise_linear", "stages"])
@pytest.mark.parametrize("before", [f"<= {WRITTEN_OUT}", f"<= {COMPARED}"])
def test_a_compiled_graph_with_a_copy_is_noticed(name: str, before: str) -> None:
    function = getattr(load_broken("torch", name, before, "<= 0"), name)

    assert [] != host_in(graph_of(functools.partial(function, **cases(name)[0].parameters)))


@pytest.mark.slow
def test_a_long_list_is_a_table_of_a_compiled_graph() -> None:
    function = load_emitted("torch", "multi_step_factors").multi_step_factors
    sizes = []
    for length in (1, WRITTEN_OUT - 1, COMPARED, COMPARED + 1, 1_000):
        lists = {"milestones": [*range(length)], "factors": [0.5] * length}
        sizes.append(len(graph_of(functools.partial(function, **lists)).graph.nodes))

    assert sizes[0] < sizes[1] < 100 < sizes[2] < 250
    assert sizes[1] > sizes[3] == sizes[4]


# A list, values of it one after the other, and the others of the schedule.
CHANGES: list[tuple[str, str, list[list[float]], dict[str, Any]]] = [
    ("multi_step", "milestones", [[k, 10 + 2 * k, 40 + k] for k in range(10)], {}),
    (
        "multi_step_factors",
        "factors",
        [[1 / k, 0.9 / k, 0.8 / k] for k in range(1, 11)],
        {"milestones": [10, 20, 30]},
    ),
    (
        "piecewise_linear",
        "values",
        [[1 / k, 0.9 / k, 0.8 / k] for k in range(1, 11)],
        {"places": [10, 20, 30]},
    ),
]


def followed(module: ModuleType, name: str, changed: str, others: Any, lists: Any) -> int:
    """How often inductor compiles for these lists, each of which gives the right bits."""
    function = getattr(module, name)
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("inductor")

    @torch.compile(fullgraph=True, backend=counter)
    def compiled(steps: Tensor, entries: list[float]) -> Tensor:
        rates: Tensor = function(steps, **{changed: entries}, **others)
        return rates

    steps = torch.arange(60)
    for entries in lists:
        expected = function(steps, **{changed: entries}, **others)
        assert expected.tolist() == compiled(steps, entries).tolist(), entries
    return counter.frame_count


@pytest.mark.slow
@pytest.mark.parametrize(("name", "changed", "lists", "others"), CHANGES)
def test_inductor_follows_a_changed_list_without_compiling_for_each(
    name: str, changed: str, lists: Any, others: Any
) -> None:
    assert 2 == followed(load_emitted("torch", name), name, changed, others, lists)


@pytest.mark.slow
def test_inductor_compiles_for_each_table_of_reals() -> None:
    name, changed, lists, others = CHANGES[1]
    module = load_broken("torch", name, f"<= {WRITTEN_OUT}", "<= 0")

    assert 4 <= followed(module, name, changed, others, lists[:4])


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTED)
def test_an_exported_function_and_a_map_give_the_same_bits(name: str) -> None:
    function = functools.partial(
        getattr(load_emitted("torch", name), name), **cases(name)[0].parameters
    )

    class Rate(torch.nn.Module):
        def forward(self, step: Tensor) -> Tensor:
            rate: Tensor = function(step)
            return rate

    torch._dynamo.reset()
    exported = torch.export.export(Rate(), (torch.tensor(0),))
    steps = torch.arange(0, 300, 7)
    expected = function(steps).tolist()

    assert expected == [exported.module()(step).item() for step in steps]
    assert expected == torch.vmap(function)(steps).tolist()
    assert expected == torch.compile(torch.vmap(function), fullgraph=True)(steps).tolist()
    assert tables_of(name) or not exported.constants
