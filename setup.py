"""What pyproject.toml cannot say: packages are found, and configs/ is one of them."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["transfer_jax", "transfer_jax.*"]), "transfer_jax.configs"],
    package_dir={"transfer_jax.configs": "configs"},
)
