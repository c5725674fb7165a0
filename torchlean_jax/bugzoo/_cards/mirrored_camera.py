"""A change of camera convention that mirrors the world."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(vector):
    """From x right, y down, depth forward to x left, y up, depth forward."""
    return vector * jnp.array([1.0, -1.0, 1.0])


def fixed(vector):
    return vector * jnp.array([-1.0, -1.0, 1.0])


def examine(convert):
    def turned_first(a, b):
        return jnp.cross(convert(a), convert(b))

    def turned_last(a, b):
        return convert(jnp.cross(a, b))

    a, b = jnp.array([1.0, 2.0, 3.0]), jnp.array([-1.0, 0.5, 2.0])
    return same_function(tl.equivalent(turned_first, turned_last)(a, b))


CARD = Card(
    name="mirrored-camera",
    title="A world in the mirror",
    family="geometry",
    story=(
        "OpenCV looks along depth with x to the right and y down, PyTorch3D with x to "
        "the left and y up. The picture was upside down, so y was turned over, and "
        "then it looked right. Turning one axis is a reflection: normals point inward, "
        "rotations run the other way, and left hands become right ones."
    ),
    contract="A change of camera convention is a rotation: R(a x b) = Ra x Rb.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "facebookresearch/pytorch3d#522",
        "facebookresearch/pytorch3d#596",
        "facebookresearch/pytorch3d#1547",
    ),
    requires=("flint",),
)
