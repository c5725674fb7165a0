"""Contracts: kernels known to equal their formulas, and how that was checked."""

from torchlean_jax.contracts._collection import contract, contracts
from torchlean_jax.contracts._contract import CLAUSES, Contract
from torchlean_jax.contracts._report import Clause, ContractReport, Question
from torchlean_jax.pallas_kernels._terms import Edge, Program, Terms

__all__ = [
    "CLAUSES",
    "Clause",
    "Contract",
    "ContractReport",
    "Edge",
    "Program",
    "Question",
    "Terms",
    "contract",
    "contracts",
]
