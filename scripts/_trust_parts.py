"""What claims lean on: the parts, what is assumed of each, and what checks that.

A check is a test (`tests/file.py::test_name`), a command (`torchlean ...`), a script
with its option, or a file of evidence; `trust.py` finds out whether each exists. A part
without a check is taken on trust, and the page says so.
"""

from dataclasses import dataclass

CLAIMS = {
    "certificate": "`proved` over the reals, and `torchlean-check` accepts the "
    "certificate",
    "bounds": "`tl.bounds`, `tl.Interval`, `proved` over the reals without certificate",
    "refuted": "`refuted` over the reals",
    "runs": '`tl.float_error`, `tl.FP32`, `proved` with `semantics="fp32"`',
    "one run": '`refuted` with `semantics="fp32"`: one execution, on this machine',
    "digits": "`tl.Real`",
    "bits": "`tl.IEEE32`",
    "functions": "`tl.equivalent`",
    "gradients": "`tl.check_vjp`, `tl.check_jvp`",
    "reads": "`tl.depends`",
    "kernels": "an answer about a model with fused kernels needs this beside the rest, "
    "where they run",
    "files": "an answer about ONNX and VNN-LIB files needs this beside the rest",
}

# How each of them is known.
STANDING = {
    "certificate": "exact: re-derived in integers by a small program, which is tested; "
    "proved where Coq accepted it as a theorem (`torchlean certificate coq --run`)",
    "bounds": "tested: every rounding is paid for, nothing is re-derived",
    "refuted": "exact at its point, which is computed again without rounding",
    "runs": "exact where there is a certificate, else tested; the errors of library "
    "functions are assumed, and measured where there is evidence",
    "one run": "tested: that execution took place",
    "digits": "tested: Arb's balls",
    "bits": "tested beside vectors, the processor and all inputs of a function",
    "functions": "tested: equal with a stated probability of error, different with a "
    "witness",
    "gradients": "tested: at points to dozens of digits, or as `functions` are",
    "reads": "tested",
    "kernels": "tested clause by clause, and assumed of a GPU that did not run them",
    "files": "tested beside onnxruntime and by evaluating the formula",
}


@dataclass(frozen=True)
class Part:
    """name; assumed: of it; checks: of that; claims: that need it, keys of CLAIMS."""

    name: str
    assumed: str
    checks: tuple[str, ...]
    claims: tuple[str, ...]


PARTS = [
    Part(
        "CPython's integers, and SHA-256",
        "Integers of any size are added, multiplied and compared exactly. No two files "
        "have one digest.",
        (),
        ("certificate", "refuted", "one run"),
    ),
    Part(
        "The checker, `torchlean_check`",
        "Its theorems are right, and its code applies them. It imports the standard "
        "library and shares no code with the rest; products of matrices are by "
        "python-flint where `--arithmetic flint` asks for it, and its line says so.",
        (
            "tests/torchlean_check/test_known_answers.py"
            "::test_the_margin_never_exceeds_the_minimum",
            "tests/torchlean_check/test_mutations.py::test_the_suite_notices",
            "tests/torchlean_check/test_lemmas.py::test_any_lemmas_are_sound",
            "tests/torchlean_check/test_zonotopes.py"
            "::test_no_bound_is_above_what_is_met",
            "tests/torchlean_check/test_jobs.py::test_turns_have_each_leaf_once",
            "tests/torchlean_check/test_tamper.py::test_every_field_of_the_manifest",
            "tests/torchlean_check/test_fuzz.py::test_random_structure",
            "tests/certificate/test_trees.py::test_a_missing_leaf",
            "tests/test_imports.py::test_the_checker_names_only_the_standard_library",
            "tests/torchlean_check/test_packed.py::test_products_with_long_integers",
        ),
        ("certificate",),
    ),
    Part(
        "Coq, where a certificate was made a theorem",
        "Then, in place of Python's integers and of the checker's theorems: Coq's "
        "kernel, virtual machine and machine integers, the axioms of the reals, the "
        "definitions in `proofs/Graph.v` and `proofs/Words.v`, and the reader that "
        "writes the graph of the certificate down, as far as SHA-256 computed in Coq "
        "does not reach ([what is covered](proofs.md)). With `--extracted`, in place "
        "of Coq's machine: its extraction, the OCaml compiler and Zarith.",
        (
            "scripts/prove.py",
            "torchlean certificate coq --run",
            "tests/coq/test_theorems.py"
            "::test_the_text_means_what_the_certificate_means",
            "tests/coq/test_theorems.py::test_no_false_evidence_is_accepted",
            "tests/coq/test_curves.py::test_no_false_evidence_is_accepted",
            "tests/coq/test_digests.py::test_a_theorem_about_another_graph_is_refused",
            "tests/coq/test_extracted.py::test_every_changed_manifest",
        ),
        ("certificate",),
    ),
    Part(
        "JAX's tracing",
        "The jaxpr is the function at these shapes, and a primitive means what JAX "
        "documents. (A certificate speaks of the graph it holds, whatever made it; "
        "that this is the graph of your model is what `tl.check(..., model=f)` adds.) "
        "Modules of flax and equinox are traced as the functions that they are.",
        (
            "tests/domains/real/test_shared_cases.py::test_it_agrees_at_points",
            "tests/test_trace.py::test_a_module_is_its_function",
            "tests/certificate/test_writer.py::test_another_network_is_refused",
        ),
        (
            *("bounds", "refuted", "runs", "one run", "digits", "bits"),
            *("functions", "gradients", "reads"),
        ),
    ),
    Part(
        "Our rules and relaxations",
        "Each contains what it should, roundings included. The parts of a search cover "
        "the whole.",
        (
            "tests/domains/interval/test_containment.py"
            "::test_jitted_and_batched_in_float32",
            "tests/domains/interval/test_mutation.py::test_a_lost_endpoint_is_noticed",
            "tests/domains/affine/test_relaxations.py::test_lines_hold",
            "tests/test_bounds.py::test_exact_outputs_lie_inside",
            "tests/domains/fp32/test_containment.py"
            "::test_runs_and_the_exact_result_are_inside",
            "tests/interpreters/test_phases.py"
            "::test_bounds_on_cells_are_below_exact_minima",
            "tests/interpreters/test_bends.py"
            "::test_bounds_on_cells_are_below_what_is_there",
            "tests/search/test_branch.py::test_parts_cover_the_whole",
            "scripts/derive_coefficients.py --check",
        ),
        ("bounds", "refuted", "runs"),
    ),
    Part(
        "Our rules for residues, sets and difference quotients",
        "A residue is that of the exact result; a set holds every input that an "
        "element can depend on; the claim encloses each derivative on its segment.",
        (
            "tests/domains/finite_field/test_exact.py"
            "::test_residues_are_those_of_the_exact_result",
            "tests/domains/finite_field/test_dual.py::test_value_and_tangent_are_exact",
            "tests/test_equivalent.py"
            "::test_a_wrong_rule_does_not_make_different_programs_equal",
            "tests/test_equivalent.py::test_a_trap_is_not_called_equal",
            "tests/domains/dependence/test_soundness.py::test_no_dependence_is_missed",
            "tests/domains/dependence/test_soundness.py"
            "::test_a_rule_that_forgets_is_noticed",
            "tests/test_gradients.py::test_a_wrong_rule_is_found",
        ),
        ("functions", "gradients", "reads"),
    ),
    Part(
        "Random numbers: NumPy's generators, and our hash",
        "They are as good as independent and uniform ones: the chances of error that "
        "reports state are over these. No program that is asked about knows the seed.",
        (),
        ("functions", "gradients"),
    ),
    Part(
        "The processor's arithmetic, as XLA uses it",
        "Sums, products, quotients and square roots are rounded to nearest, in float32 "
        "and in float64; subnormal operands and results may be taken for 0, and a "
        "product may be fused into a sum.",
        (
            "tests/domains/ieee32/test_hardware.py::test_against_the_processor",
            "tests/domains/ieee32/test_traps.py::test_flushing_is_what_xla_does",
            "tests/domains/interval/test_traps.py"
            "::test_a_flushed_subnormal_difference_is_inside",
            "benchmarks/softfloat_vectors.py --patterns",
        ),
        ("bounds", "refuted", "runs", "bits"),
    ),
    Part(
        "XLA's integer and bit operations",
        "They are exact, no compiler takes integers for floats, and what a program "
        "does beside arithmetic (moves, selections, loops) is compiled as it is "
        "written.",
        (
            "tests/domains/ieee32/test_testfloat.py::test_arithmetic",
            "tests/domains/ieee32/test_traps.py::test_a_plain_jit_changes_nothing",
            "tests/test_quantize.py"
            "::test_the_same_bits_eagerly_compiled_batched_and_on_doubles",
        ),
        ("bounds", "refuted", "runs", "bits"),
    ),
    Part(
        "Products of arrays and convolutions: Eigen, oneDNN",
        "Each element is the sum of its products, in any order and tree, each step "
        "rounded once or fused, at the precision that is asked for. Algorithms that "
        "compute other products (Winograd, Strassen) are not covered.",
        (
            "tests/domains/fp32/test_programs.py::test_every_run_is_inside",
            "tests/domains/fp32/test_formats.py::test_a_product_reads_its_precision",
            "benchmarks/float_error.py",
        ),
        ("bounds", "refuted", "runs"),
    ),
    Part(
        "Library functions: those of XLA and LLVM",
        "Over the reals nothing: enclosures are polynomials of our own. Of runs: an "
        "error model, `xla-cpu` unless another is given ({provenance}). On a backend "
        "where its figures were not measured, verdicts and breakdowns say so.",
        (
            "torchlean float bridge --all --out",
            "benchmarks/results/bridge_cpu_avx512.json",
            "tests/bridge/test_bridge.py::test_the_worst_input_is_as_bad_as_said",
            "tests/domains/fp32/test_tiny.py"
            "::test_runs_are_inside_next_to_the_smallest_normal_number",
            "tests/test_verify_fp32.py"
            "::test_a_claim_on_a_backend_without_evidence_says_so",
        ),
        ("runs",),
    ),
    Part(
        "XLA's simplifier",
        "That a run computes the equations of the jaxpr and no others equal to them "
        "over the reals: `tl.faithful_jit` sees to it, `tl.audit_compilation` says "
        "whether a plain `jit` does. Enclosures survive a plain `jit`.",
        (
            "tests/test_faithful.py::test_what_runs_is_what_is_written",
            "tests/test_audit.py::test_a_rewrite_is_named_and_its_bits_differ",
            "torchlean float audit",
            "tests/domains/interval/test_traps.py"
            "::test_adding_and_subtracting_a_large_constant_rounds",
        ),
        ("bounds", "runs", "one run", "bits"),
    ),
    Part(
        "Our correctly rounded functions",
        "The float64 value is within a proved distance of the exact one, fused "
        "operations or not; {rounded} were then tried on all 2^32 inputs.",
        (
            "scripts/derive_elementary.py --check",
            "scripts/scan_functions.py --json",
            "benchmarks/results/ieee32_functions.json",
            "tests/domains/ieee32/test_functions.py"
            "::test_results_are_correctly_rounded",
            "tests/domains/ieee32/test_functions.py::test_the_evidence_is_of_this_code",
        ),
        ("bits",),
    ),
    Part(
        "Arb (python-flint) and mpmath",
        "A ball contains the exact result. Also in the scripts that prove the error "
        "bounds of our polynomials, and as oracles of tests; in the checker only the "
        "integer matrices of `--arithmetic flint`.",
        (
            "tests/domains/real/test_functions.py::test_it_agrees_with_mpmath",
            "tests/domains/real/test_precision.py::test_the_digits_are_those_of_mpmath",
            "tests/domains/real/test_mutation.py::test_a_forgotten_radius_is_noticed",
        ),
        ("digits", "bounds", "refuted", "runs", "bits", "functions", "gradients"),
    ),
    Part(
        "NumPy",
        "It reads arrays bit for bit, keeps subnormal numbers, converts to float64 "
        "exactly and to narrower floats to nearest.",
        (
            "tests/domains/interval/test_box.py::test_a_radius_is_rounded_outward",
            "tests/domains/ieee32/test_traps.py"
            "::test_a_captured_constant_is_read_bit_for_bit",
            "tests/test_spec.py::test_matrices_of_narrow_dtypes_are_exact",
        ),
        (
            *("bounds", "refuted", "runs", "one run", "digits", "bits", "files"),
            *("functions", "gradients", "reads"),
        ),
    ),
    Part(
        "optax, SciPy's linear programs, BLAS: the searches",
        "Nothing. They propose slopes, multipliers and inputs; any of these gives a "
        "true bound, or is checked.",
        (
            "tests/domains/affine/test_relaxations.py::test_any_slope_is_made_sound",
            "tests/test_verify_halfspaces.py"
            "::test_what_floats_call_a_contradiction_is_checked",
            "tests/search/test_confirm.py::test_float32_is_not_believed",
            "tests/search/test_confirm.py::test_points_outside_are_refused",
        ),
        (),
    ),
    Part(
        "Triton, and the GPU it compiles for",
        "They compute what the lowered IR says. That the kernel which is lowered is "
        "its formula, within a derived error and without a faulty access, is checked "
        "at the named shapes.",
        (
            "torchlean kernels check",
            "torchlean kernels check --sample",
            "tests/pallas_kernels/test_transforms.py"
            "::test_kernels_under_vmap_jit_and_in_reverse_mode",
            "tests/interpreters/test_kernel_call.py"
            "::test_the_unrolled_kernel_computes_what_the_kernel_computes",
            "tests/interpreters/test_kernel_call.py::test_a_planted_fault_is_named",
        ),
        ("kernels",),
    ),
    Part(
        "ONNX: the package `onnx` and our importer",
        "The file is parsed as it is written, and an operator means what its "
        "specification says.",
        (
            "tests/onnx/test_operators.py::test_an_operator_does_what_onnxruntime_does",
            "tests/onnx/test_import.py::test_weights_are_parameters_bit_for_bit",
            "tests/onnx/test_files.py::test_in_float64_it_does_so_more_sharply",
        ),
        ("files",),
    ),
    Part(
        "VNN-LIB: our reader, and for version 2.0 the package `vnnlib`",
        "The query is the formula of the file, its decimals taken exactly.",
        (
            "tests/vnnlib/test_meaning.py::test_a_query_holds_where_the_formula_is_true",
            "tests/vnnlib/test_decide.py"
            "::test_a_violation_of_the_rounded_box_alone_is_not_sat",
            "tests/vnnlib/test_second.py::test_both_versions_of_a_file_are_one_query",
        ),
        ("files",),
    ),
]
