"""What a program costs before it runs: multiply-adds and bytes, read off its trace."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core


def multiply_adds(fn: Callable[..., Any], *args: Any) -> int:
    """Multiply-adds of the matrix products and convolutions of a function.

    Args:
      fn: a function of arrays; it is traced, not run.
      *args: its arguments, arrays or `jax.ShapeDtypeStruct`.

    Returns:
      The number of multiply-adds of one call.

    Example:
      >>> multiply_adds(jax.numpy.dot, jax.numpy.ones((2, 3)), jax.numpy.ones((3, 4)))
      24
    """
    return sum(map(_equation_multiply_adds, _equations(jax.make_jaxpr(fn)(*args).jaxpr)))


def tree_bytes(tree: Any) -> int:
    """Bytes of the arrays of a tree.

    Args:
      tree: a tree of arrays or `jax.ShapeDtypeStruct`.

    Returns:
      Their size in bytes.

    Example:
      >>> tree_bytes({"a": jax.numpy.zeros((2, 3))})
      24
    """
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _equations(jaxpr: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")
        ):
            if hasattr(inner, "eqns"):
                yield from _equations(getattr(inner, "jaxpr", inner))


def _equation_multiply_adds(equation: core.JaxprEqn) -> int:
    if equation.primitive.name not in ("dot_general", "conv_general_dilated"):
        return 0
    shapes: list[Any] = [getattr(variable.aval, "shape", ()) for variable in equation.invars]
    out = math.prod(getattr(equation.outvars[0].aval, "shape", ()))
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return out * math.prod(shapes[0][axis] for axis in contracted)
    kernel = shapes[1]
    features = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    # A strided convolution's input gradient is dilated: the zeros between are not counted.
    dilation = math.prod(equation.params["lhs_dilation"])
    return out * math.prod(kernel) // features // dilation
