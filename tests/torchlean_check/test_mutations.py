"""Rules of the checker broken on purpose, each of which the suite must notice.

A mutation replaces a piece of the text of one function. The tests named beside it are
run against the broken checker and at least one of them has to fail.
"""

# One row for each mutation reads as a table.
# ruff: noqa: E501

import contextlib
import importlib
import inspect
import sys
import textwrap

import pytest

from tests.torchlean_check import (
    test_bad_input,
    test_executions,
    test_known_answers,
    test_lemmas,
    test_operations,
    test_packed,
    test_phases,
    test_rounding,
    test_smooth,
    test_tamper,
    test_zonotopes,
)
from tests.torchlean_check.test_executions import ULPS
from torchlean_check import _verdict


@contextlib.contextmanager
def mutated(module: str, name: str, old: str, new: str):
    """`module.name` with `old` replaced by `new` in its source, wherever it is used."""
    home = importlib.import_module(f"torchlean_check.{module}")
    *owners, last = name.split(".")
    owner = home
    for part in owners:
        owner = getattr(owner, part)
    original = getattr(owner, last)
    source = textwrap.dedent(inspect.getsource(original))
    source = source[source.index("def ") :]  # without decorators, which register
    assert source.count(old) == 1, (source.count(old), old)
    scope = dict(vars(home))
    exec(compile(source.replace(old, new), f"<mutant of {name}>", "exec"), scope)
    places = [(owner, last)]
    for other in [
        m for k, m in sys.modules.items() if k.split(".")[0] == "torchlean_check"
    ]:
        places += [(other, k) for k, v in vars(other).items() if v is original]
    operations = importlib.import_module("torchlean_check._graph").OPERATIONS
    entries = {k: v for k, v in operations.items() if v[0] is original}
    roundings = importlib.import_module("torchlean_check._executions").ROUNDINGS
    rounded = [k for k, v in roundings.items() if v is original]
    try:
        for place, key in places:
            setattr(place, key, scope[last])
        for key, (_, *rest) in entries.items():
            operations[key] = (scope[last], *rest)
        roundings.update(dict.fromkeys(rounded, scope[last]))
        _verdict._PROGRAMS.clear()
        yield
    finally:
        for place, key in places:
            setattr(place, key, original)
        operations.update(entries)
        roundings.update(dict.fromkeys(rounded, original))
        _verdict._PROGRAMS.clear()


def random_nets():
    test_known_answers.test_the_margin_never_exceeds_the_minimum("crown")


def random_nets_by_intervals():
    test_known_answers.test_the_margin_never_exceeds_the_minimum("ibp")


def tiny_differences():
    for seed in range(20):
        test = test_known_answers
        test.test_true_by_one_part_in_two_to_the_sixty_is_accepted_and_false_is_not(
            seed
        )


def long_numbers():
    test_rounding.test_long_coefficients_are_rounded_down(0.0)


def thirds():
    for op in ("div", "dot"):
        test_rounding.test_constants_that_are_not_dyadic_are_enclosed(op)


def chords():
    for op in ("relu", "abs"):
        test_rounding.test_the_slope_of_a_chord_is_rounded_to_the_safe_side(op)


def operations():
    for case in test_operations.LINEAR:
        test_operations.test_minimum_over_a_box_is_exact(case)


def piecewise():
    for case in test_operations.PIECEWISE:
        for method in ("crown", "ibp"):
            test_operations.test_piecewise_bounds_hold_and_are_exact_at_points(
                case, method
            )


def curves():
    for name in ("exp", "log", "tanh", "cube", "inverse_left", "erf", "sin", "rsqrt"):
        test_smooth.test_bounds_hold_and_are_near(name)
        test_smooth.test_interval_bounds_hold(name)


def elu_lines():
    for name in ("elu", "elu_flat", "elu_steep"):
        test_smooth.test_bounds_hold_and_are_near(name)
        test_smooth.test_any_slope_and_any_touching_point_give_a_valid_line(name)


def any_line():
    for name in test_smooth.STEPS:
        test_smooth.test_any_slope_and_any_touching_point_give_a_valid_line(name)


def thirds_of_curves():
    for name in test_smooth.CURVES:
        test_smooth.test_operands_between_the_points_of_any_grid(name)


def products():
    for weight in (None, 0.0, 1.0):
        test_smooth.test_products_of_two_values(weight)


def tampering():
    test_tamper.test_every_flipped_byte_is_rejected("layout")
    test_tamper.test_every_truncation_and_extension_is_rejected("mlp")
    test_tamper.test_every_element_of_every_array("mlp")
    test_tamper.test_every_field_of_the_manifest("mlp", False)


def runs(*names):
    """The tests of executions, on some of their graphs."""

    def suite():
        for name in names:
            test_executions.runs_stay_above(name)

    return suite


def relu_split():
    test_known_answers.test_a_relu_split_decides_the_neuron()


def points():
    test_known_answers.test_points_and_decided_networks_are_exact()


MUTATIONS = [
    # The relaxations.
    ("_relax", "Relu.lines", "-((-b << SLOPE_BITS) // (b - a))", "(b << SLOPE_BITS) // (b - a)", chords),
    ("_relax", "Relu.lines", "c = -q * a", "c = -q * a - 1", random_nets),
    ("_relax", "Relu.lines", "elif b <= 0:", "elif b <= -a >> 3:", chords),
    ("_relax", "Relu.lines", "if a >= 0:", "if a >= -(b >> 4):", chords),
    ("_relax", "Elementwise.backward", "(positive[k], c - d)", "(positive[k], d - c)", random_nets),
    ("_relax", "Elementwise.backward", "(a, d)", "(a, c)", random_nets),
    ("_relax", "Elementwise.backward", "columns[k] += (p[k]", "columns[k] -= (p[k]", random_nets),
    ("_relax", "Elementwise.backward", "forms.bound * largest", "forms.bound", "packing"),
    ("_windows", "WindowMax.backward", "(a - positive)", "(positive)", piecewise),
    ("_relax", "Relu.forward", "max(b, 0)", "max(b, 0) - 1", random_nets_by_intervals),
    ("_piecewise", "Max.lines", "a - d for", "a - d + 1 for", piecewise),
    ("_piecewise", "Max.lines", "one - s for s in q", "one + s for s in q", piecewise),
    ("_windows", "WindowMax.lines", "max(*others, x.hi[best])", "max(others)", piecewise),
    ("_windows", "WindowMax.lines", "x.lo[best] >= max(others)", "x.hi[best] >= max(others)", piecewise),
    ("_piecewise", "Abs.lines", "(b << SLOPE_BITS) - q * b", "-(b << SLOPE_BITS) - q * b", chords),
    ("_piecewise", "Abs.forward", "max(a, -b, 0)", "max(a, -b, 1)", piecewise),
    # Linear steps and their rounding.
    ("_linear", "Bias.charge", "[-errors[k]", "[errors[k]", thirds),
    ("_linear", "Scale.backward", "if self.radius is not None", "if False", thirds),
    ("_linear", "Blocks.backward", "if self.radius is not None", "if False", thirds),
    ("_linear", "Bias.add_minimum", "if radius is not None", "if False", operations),
    ("_linear", "Sum.backward", "if sign > 0 else opposite", "if sign else opposite", operations),
    ("_linear", "Move._moved", "result[source] += a", "result[source] = a", operations),
    ("_linear", "Move.backward", "if self.fill:", "if False:", operations),
    ("_linear", "Blocks.forward", "m - r for", "m + r for", random_nets_by_intervals),
    ("_linear", "Bias.add", "[a >> cut for a", "[-(-a >> cut) for a", "bias"),
    ("_linear", "Blocks.backward", "map(or_, boxes[0].lo, boxes[0].hi)", "map(max, boxes[0].lo, boxes[0].lo)", random_nets),
    ("_linear", "Blocks.backward", "forms.bound * self.gain", "forms.bound", "packing"),
    ("_linear", "Scale.backward", "forms.bound * self.largest", "forms.bound", "packing"),
    ("_linear", "Move.backward", "forms.bound * self.most", "forms.bound", "packing"),
    ("_windows", "WindowMax.backward", "forms.bound * max(Counter(pick).values())", "forms.bound", "packing"),
    ("_matrices", "Matrix.times", "list(compress(xs, used))", "xs", "products"),
    ("_matrices", "Matrix.times", "dot(row, xs) if some else 0", "dot(row, xs) if not some else 0", "products"),
    ("_matrices", "Matrix._by", "int(a) if some else 0", "int(a)", "products"),
    ("_matrices", "Matrix._by", "list(map(int, found))", "list(map(int, map(float, found)))", "products"),
    ("_packed", "_width", "+ 1) // WORD", ") // WORD", "fields"),
    ("_packed", "Forms.positive", "(signs << self.width) - signs", "(signs << top) - signs", "fields"),
    ("_packed", "Forms.dot", "(self.bound * len(columns))", "self.bound", "fields"),
    ("_packed", "Forms.dot", "w >> room for", "-(-w >> room) for", "fields"),
    ("_packed", "Forms.bits", "self.magnitude(column)", "column", "fields"),
    ("_packed", "Forms.cut", "(self.width - by)", "(self.width)", "fields"),
    ("_packed", "Forms.cut", "1 << (bits - by)", "(1 << (bits - by)) - 1", "fields"),
    ("_packed", "total", "sum(part.bound << (part.exp - exp) for part in parts)", "max(part.bound << (part.exp - exp) for part in parts)", "fields"),
    ("_tensor", "tidy", "[a >> cut for a in lo]", "[-(-a >> cut) for a in lo]", long_numbers),
    ("_tensor", "reciprocal", "one // b for b in t.hi", "-(-one // b) for b in t.hi", thirds),
    ("_tensor", "negated", "neg, t.lo", "neg, t.hi", operations),
    ("_bounds", "_shortened", "bias.add([least]", "bias.add([0]", long_numbers),
    ("_bounds", "_shortened", "if a < 0", "if a > 0", long_numbers),
    # Zonotopes: errors are paid for, and numbers are shared by what shares them alone.
    ("_zonotopes", "Zonotope.coarser", "self.exp + by - 1", "self.exp + by - 2", "fields of zonotopes"),
    ("_zonotopes", "Zonotope.coarser", "found.off_by(lost, self.exp + by - 1)", "found", "fields of zonotopes"),
    ("_zonotopes", "Zonotope.coarser", "(self.bound >> by) + 1", "self.bound >> by + 1", "fields of zonotopes"),
    ("_zonotopes", "Zonotope.coarser", "self.exp + by, bound", "self.exp - by, bound", "long zonotopes"),
    ("_zonotopes", "Zonotope.finer", "a << by for a in self.columns", "a for a in self.columns", "zonotopes"),
    ("_zonotopes", "Zonotope.off_by", "[-e for e in errors]", "errors", "factors of zonotopes"),
    ("_zonotopes", "Zonotope.hull", "map(neg, reach)", "reach", "zonotopes by hand"),
    ("_zonotopes", "sizes", "below - (below >> (WIDTH - 1))", "below", "fields of zonotopes"),
    ("_zonotopes", "reach_of", "total + count", "total", "fields of zonotopes"),
    ("_zonotopes", "reach_of", "(fields + 1) // 2", "fields // 2", "fields of zonotopes"),
    ("_zonotopes", "_rounded", "- tops", "- tops + 1", "fields of zonotopes"),
    ("_zonotopes", "numbered", "count += 1", "pass", "zonotopes by hand"),
    ("_zonotopes", "numbered", "WIDTH * count", "WIDTH * (count // 2)", "zonotopes"),
    ("_zonotopes", "numbered", "-(a - b >> (exp - rest.exp + 1))", "b - a >> (exp - rest.exp + 2)", "zonotopes by hand"),
    ("_zonotopes", "numbered", "reach[k] + radius", "reach[k]", "zonotopes by hand"),
    ("_zonotopes", "numbered", "a + b >> 1, a + b", "a >> 1, a", "zonotopes by hand"),
    ("_zonotope_steps", "added", "if sign > 0", "if sign", "zonotopes by hand"),
    ("_zonotope_steps", "added", "moving[0][1] > 0", "moving[0][1]", "curves of zonotopes"),
    ("_zonotope_steps", "added", "zs = aligned(zs, count)", "pass", "zonotopes"),
    ("_zonotope_steps", "_move", "for k in step.index] for v in (columns, reach)", "for k in sorted(step.index)] for v in (columns, reach)", "factors of zonotopes"),
    ("_zonotope_steps", "_scale", "[a << by >> 1 for a in z.reach]", "[0 for a in z.reach]", "factors of zonotopes"),
    ("_zonotope_steps", "_scale", "if step.radius is not None", "if False", "factors of zonotopes"),
    ("_zonotope_steps", "mixed", "if step.radius is not None:\n        errors", "if False:\n        errors", "factors of zonotopes"),
    ("_zonotope_steps", "mixed", "errors[k] += lost", "errors[k] += 0", "long zonotopes"),
    ("_zonotope_steps", "mixed", "columns[k] += a", "columns[k] = a", "factors of zonotopes"),
    ("_zonotope_steps", "_between", "[Tensor(low, high, lines.exp)]", "[]", "zonotopes by hand"),
    ("_zonotope_steps", "_between", "[Tensor(low, high, lines.exp)]", "[Tensor(low, low, lines.exp)]", "curves of zonotopes"),
    ("_zonotope_steps", "_between", "[product(z.rest, slope), ", "[", "zonotopes"),
    ("_zonotope_steps", "_between", ", _beside(p, q, m, by, box, lines)]", "]", "curves of zonotopes"),
    ("_zonotope_steps", "_between", "a + b >> (by + 1)", "a + b >> by", "zonotopes"),
    ("_zonotope_steps", "_beside", "hi.append(max(", "hi.append(min(", "curves of zonotopes"),
    ("_zonotope_steps", "_beside", "lo.append(min(", "lo.append(max(", "curves of zonotopes"),
    ("_zonotope_steps", "_beside", "slope <<= by", "pass", "zonotopes"),
    ("_zonotope_steps", "_largest", "(apart << (z.exp - unit))", "0", "zonotopes by hand"),
    ("_zonotope_steps", "_largest", "rest.hi[j] - rest.lo[best]", "0", "zonotopes by hand"),
    ("_zonotope_steps", "_largest", "box.hi[j] > box.lo[best]", "box.lo[j] > box.lo[best]", "zonotopes by hand"),
    ("_zonotope_steps", "_rounded", "(1 << by >> 1)", "(1 << by)", "long zonotopes"),
    ("_zonotope_bounds", "Zonotopes.minimum", "Tensor(values, values, exp)", "Tensor(values, values, exp + 1)", "zonotopes"),
    ("_cases", "_leaf", 'or entry["final"] or more', "", "slopes of zonotopes"),
    # Bounds and cases.
    ("_bounds", "Bounds._refine_some", "min(hi[entry], -high)", "min(hi[entry], high)", "refined"),
    ("_bounds", "Bounds._split", "if lo[entry] > hi[entry]:", "if lo[entry] >= hi[entry]:", "points_with_a_split"),
    ("_bounds", "Bounds._split", "if at_most:", "if not at_most:", tiny_differences),
    ("_bounds", "Bounds._split", "max(lo[entry], end)", "max(lo[entry], end + (end >> 52))", "sliver"),
    ("_verdict", "_parts", "for at_most in (False, True)", "for at_most in (True, True)", "half_proved"),
    ("_bounds", "common", "max, x.lo, y.lo", "max, x.lo, y.hi", "shared"),
    ("_bounds", "common", "min, x.hi, y.hi", "min, x.hi, y.lo", "shared"),
    ("_bounds", "Bounds._forward", "common(step.forward(boxes), outer.boxes[k])", "step.forward(boxes)", "shared"),
    ("_verdict", "check_bytes", "if low[0] <= 0", "if low[0] < 0", tiny_differences),
    ("_claim", "Formula.starts", "[-d <<", "[d <<", tiny_differences),
    ("_cases", "read_cases", "    if waiting:\n", "    if False:\n", "incomplete_tree"),
    ("_claim", "Formula.margin", 'if kind == "all"', "if kind", "any_clause"),
    ("_slopes", "in_units", "if min(slopes) < 0 or", "if", "slopes"),
    ("_slopes", "_scattered", "slopes[k] = slope", "slopes[0] = slope", "stacked"),
    ("_slopes", "_scattered", "range(first, first + rows)", "range(0, rows)", "stacked"),
    ("_phases", "subtract_splits", "if at_most:", "if not at_most:", "signs_of_splits"),
    ("_phases", "subtract_splits", "row[entry] = -b", "row[entry] = b", "signs_of_splits"),
    ("_phases", "subtract_splits", "(b * at.lo[0] <<", "(-b * at.lo[0] <<", "signs_of_splits"),
    ("_phases", "subtract_splits", "(b * at.lo[0] <<", "(0 <<", "signs_of_splits"),
    ("_phases", "read_split_multipliers", "if dyadic(number, where)[0] < 0:", "if False:", "negative"),
    ("_verdict", "_leaf_margin", "formula.margin(leaf.goal,", "formula.margin(leaf.rows[:1],", "any_clause"),
    ("_claim", "Formula.conjuncts", 'if node[0] == "all"', "if True", "disjunctions"),
    ("_claim", "Formula.conjuncts", "for k in node]", "for k in node[:1]]", "dropped_rows"),
    ("_cases", "read_cases", "else formula.conjuncts(goal)", "else [root] * 2", "goals"),
    # Lemmas: what they say, on what they are proved, and what may use them.
    ("_verdict", "_parts", "*[here] * (count - 1)", "*[here._replace(known=(*here.known, *case.ends))] * (count - 1)", "themselves"),
    ("_verdict", "_parts", "*[here] * (count - 1)", "*[here._replace(known=(*here.known, *case.ends))] * (count - 1)", "lemmas"),
    ("_verdict", "_parts", "known=(*here.known, *case.ends)", "known=here.known", "lemma"),
    ("_verdict", "_parts", "known=(*here.known, *case.ends)", "splits=(*here.splits, *case.ends)", "lemmas"),
    ("_verdict", "_leaves", "    waiting += [", "    waiting = [(p and p._replace(known=(*p.known, *getattr(case, 'ends', ()))), s) for p, s in waiting]\n        waiting += [", "lemma_of_a_half"),
    ("_verdict", "_leaves", "    waiting += [", "    waiting = [(p and p._replace(known=(*p.known, *getattr(case, 'ends', ()))), s) for p, s in waiting]\n        waiting += [", "lemmas"),
    ("_verdict", "_beyond", "-1 if end.at_most else 1", "1 if end.at_most else -1", "lemmas"),
    ("_verdict", "_beyond", "-1 if end.at_most else 1", "1", "lemmas"),
    ("_verdict", "_beyond", "[-side * end.at.lo[0]]", "[side * end.at.lo[0]]", "lemmas"),
    ("_verdict", "_beyond", "row[end.entry] = side", "row[0] = side", "lemmas"),
    ("_verdict", "check_bytes", "if low[0] <= 0:", "if low[0] < 0:", "strict_lemmas"),
    ("_verdict", "check_bytes", "if low[0] <= 0:", "if low[0] <= 0 and not isinstance(leaf.goal, End):", "false_lemma"),
    ("_verdict", "check_bytes", "            if not isinstance(leaf.goal, End):\n", "            if True:\n", "margin_of_lemmas"),
    ("_verdict", "_leaf_margin", "        return lows[0]\n", "        return None\n", "lemmas"),
    ("_cases", "_lemmas", 'place["at_most"], at)', 'not place["at_most"], at)', "lemma"),
    ("_cases", "read_cases", "(end, depth) for end in reversed", "(goal, depth) for end in reversed", "licence"),
    ("_cases", "read_cases", "in reversed(cases[-1].ends)", "in cases[-1].ends", "lemma"),
    ("_cases", "parts_of", "len(case.ends) + 1", "len(case.ends)", "lemma"),
    ("_cases", "Leaf.last", "values.append(program.inputs[-1].id)", "pass", "halfspaces"),
    ("_cases", "Leaf.last", "for end, (m, _) in pairs if m", "for end, (m, _) in pairs if not m", "later_splits"),
    ("_cases", "Leaf.last", "return max(values)", "return max(values) - 1", "lemma"),
    ("_cases", "Leaf.last", "values = [self.goal.value]", "return None", "domains"),
    ("_cases", "_shared", 'method == "crown"', "False", "bounds_are_shared"),
    ("_bounds", "_further", "[*known, *splits]", "[*known]", "bounds_are_kept"),
    ("_bounds", "_further", "[*known, *splits]", "[*splits]", "lemma"),
    ("_balls", "_norm2", "+ 1 if square", "if square", "ball_rounding"),
    ("_balls", "Ball.add_minimum", "self.norm == 1", "self.norm == 2", "balls"),
    ("_halfspaces", "Halfspaces.subtract", "[-dot(row, column)", "[dot(row, column)", "constraints"),
    ("_halfspaces", "Halfspaces.subtract", "+ (dot(row, self.bounds)", "- (dot(row, self.bounds)", "constraints"),
    ("_halfspaces", "Halfspaces.subtract", "(dot(row, self.bounds) << (more - least))", "0", "constraints"),
    ("_halfspaces", "read_multipliers", "if min(t.lo) < 0:", "if False:", "signs"),
    ("_verdict", "_row_bounds", "leaf.multipliers[r] for r in own", "leaf.multipliers[k] for k, _ in enumerate(own)", "places"),
    # The format.
    ("_container", "read_members", "blob[position:] != directory", "False", tampering),
    ("_container", "read_members", "binascii.crc32(contents) != crc", "False", tampering),
    ("_container", "without_repeats", "len(result) != len(pairs)", "False", "duplicate_keys"),
    ("_container", "_refuse_number", "raise ValueError(f\"number {text[:30]!r} is not an integer\")", "return 0", "json_numbers"),
    ("_schema", "Arrays.__init__", "!= entry[\"sha256\"]", "== 0", tampering),
    ("_schema", "decode_floats", "power == special", "False", "nan"),
    ("_schema", "decode_floats", "power = 1 ", "power = 0 ", "subnormals"),
    ("_schema", "fields", "value.keys() - kinds.keys()", "()", tampering),
    ("_graph", "_lookup", "if name not in g.names", "if False", "unknown_value"),
    # Curves.
    ("_smooth", "Smooth._constant", "high if upper else -low", "low if upper else -high", curves),
    ("_smooth", "Smooth._constant", "over(d) - (-most >> (p - s))", "over(d)", any_line),
    ("_smooth", "Smooth._constant", "[over(start), over(end)]", "[over(start)]", curves),
    ("_smooth", "Smooth._constant", "d = min(max(touch, start), end)", "d = touch", any_line),
    ("_smooth", "Smooth._grid", "(a >> -by, -(-b >> -by))", "(-(-a >> -by), b >> -by)", thirds_of_curves),
    ("_exponential", "exp", "return a >> by, -(-b >> by)", "return -(-b >> by), a >> by", curves),
    ("_exponential", "_series", "-(-product // (n << w)) if up else product // (n << w)", "product // (n << w)", "exp_points"),
    ("_exponential", "log", "-(-(b + 2 * high) >> GUARD)", "(b + 2 * high) >> GUARD", curves),
    ("_powers", "Power.pieces", "(lo, 0, -1), (0, hi, 1)", "(lo, 0, 1), (0, hi, -1)", curves),
    ("_powers", "Reciprocal.pieces", "1 if lo > 0 else -1", "1", curves),
    ("_special", "Sine.pieces", "1 if k % 2 == 0 else -1", "-1 if k % 2 == 0 else 1", curves),
    ("_special", "Sine.extent", "(one, one) if k % 2 else (-one, -one)", "(0, 0)", "turning_points"),
    ("_products", "Product.lines", "t * d + s * c", "t * c + s * d", products),
    ("_products", "Product.lines", "-(t * a * c + s * b * d)", "-(t * a * d + s * b * c)", products),
    # The rounding of executions: a term of the slack left out, or too small.
    ("_executions", "Executions.lowered", "slack << (unit - least)", "0", runs("absorbing")),
    ("_executions", "_errors", "c + r + a + kind.tiny", "r + a + kind.tiny", runs("absorbing")),
    ("_executions", "_errors", "c + r + a + kind.tiny", "c + a + kind.tiny", runs("add")),
    ("_executions", "_errors", "c + r + a + kind.tiny", "c + r + kind.tiny", runs("sum")),
    ("_executions", "_errors", "c + r + a + kind.tiny", "c + r + a", runs("underflow in product")),
    ("_executions", "_errors", "grown(found.relative, exact)", "grown(found.relative / 2, exact)", runs("add")),
    ("_executions", "_flushed", "min(max(-a, b), tiny)", "0", runs("underflow in input")),
    ("_executions", "_flushed", "min(max(-a, b), tiny)", "min(b, tiny)", runs("underflow in input")),
    ("_executions", "Executions.__init__", "set(self.program.names.values()) - results", "{x.id for x in self.program.inputs}", runs("underflow in constant")),
    ("_executions", "accumulated", "s = unit * roundings", "s = unit", runs("dot")),
    ("_executions", "ErrorModel.relative", "/ 50", "/ 100", runs("tanh", "exp")),
    ("_executions", "read_error_model", "< 50", "< 49", "half_ulps"),
    ("_executions", "read_error_model", "< 100", "< 99", "few_roundings"),
    ("_executions", "limit", "max(magnitudes) > kind.largest", "False", test_executions.test_what_may_overflow_is_rejected),
    ("_roundings", "quotient", "min(denominators) <= 0", "min(denominators) == 0", test_executions.test_what_may_divide_by_zero_is_rejected),
    ("_roundings", "_moved", "errors[k] if k >= 0 else 0", "0", runs("moves")),
    ("_roundings", "_convert", "Rounded(x.errors, after.unit)", "x.errors", runs("casts to bfloat16")),
    ("_roundings", "_moved_by", "max([x.errors[j]", "min([x.errors[j]", runs("extremes")),
    ("_roundings", "_add", "plus(x.errors, y.errors)", "list(map(max, x.errors, y.errors))", runs("add of what is uncertain")),
    ("_roundings", "_add", "else node.format.unit", "else node.format.unit / 2", runs("add")),
    ("_roundings", "_add", "if idle", "if not idle", runs("add")),
    ("_roundings", "_mul", "times(x.real, y.errors)", "[0] * len(x.real)", runs("mul of what is uncertain")),
    ("_roundings", "_mul", "if exact", "if not exact", runs("mul")),
    ("_roundings", "_div", "Fraction(node.model.quotient, 100)", "Fraction(node.model.quotient, 400)", runs("div")),
    ("_roundings", "_div", "times(node.out.real, y.errors)", "[0] * len(x.errors)", runs("div of what is uncertain")),
    ("_roundings", "_square", "plus(x.read, x.real)", "[a // 2 for a in x.real]", runs("square of what is uncertain")),
    ("_roundings", "_power", "range(n - 1)", "range(0)", runs("integer_pow of what is uncertain")),
    ("_roundings", "_power", "accumulated(node.format.unit, n - 1)", "Fraction(0)", runs("integer_pow")),
    ("_sums", "_sum", "grown(relative, reach)", "grown(relative / 8, reach)", runs("sum")),
    ("_sums", "_sum", "2 * n * node.format.tiny", "0", runs("underflow in sum")),
    ("_sums", "_sum", "Rounded(_reach(step, x.errors)", "Rounded([0] * len(reach)", runs("sum of what is uncertain")),
    ("_sums", "_contraction", "(1 + steps) - 1", "(1 + steps / 8) - 1", runs("dot")),
    ("_sums", "_contraction", "4 * (n + 1) * inner.tiny", "0", runs("underflow in dot")),
    ("_sums", "_contraction", "else node.format.unit", "else Fraction(0)", runs("narrow products")),
    ("_sums", "_weighted", "a + more for a in _reach(step, x.errors)", "a for a in _reach(step, x.errors)", runs("underflow in weights")),
    ("_sums", "_products", "times(x.real, y.errors)", "[0] * len(x.real)", runs("products of what is uncertain")),
    # Choices: next to where they turn the wrong operand is off by more than its error.
    ("_choices", "_larger", "a + b + max(a, b)", "max(a, b)", runs("leaky 0.2")),
    ("_choices", "_larger", "a + b + max(a, b)", "a + b", runs("magnitude")),
    ("_choices", "_larger", "y_high + b < x_low - a", "y_high < x_low", runs("leaky -0.7")),
    ("_choices", "_larger", "x_high + a < y_low - b", "x_high < y_low", runs("hard tanh")),
    ("_choices", "_smaller_runs", "map(_negated, node.spread)", "node.spread", runs("hard tanh inside")),
    ("_choices", "_elu_runs", "a + max(a, *grown(alpha, [a]))", "a", runs("elu 0.001")),
    ("_choices", "_elu_runs", "max(wrong, a + b)", "wrong", runs("elu 5.0")),
    ("_choices", "_elu_runs", "else 2 * a", "else 0", runs("elu 5.0")),
    ("_choices", "_elu_runs", "low - a > 0", "low > 0", runs("elu 5.0")),
    ("_choices", "_elu_runs", "elif high + a < 0", "elif high < 0", runs("elu 0.001")),
    ("_choices", "_product", "grown(relative, plus(size, carried))", "[0] * len(size)", runs("elu")),
    ("_choices", "_product", "plus(grown(alpha, called), rounded, tiny)", "plus(rounded, tiny)", runs("elu")),
    ("_choices", "Elu._scaled", "-(-high * n // d)", "high * n // d - 1", elu_lines),
    ("_choices", "Elu.pieces", "(lo, 0, 1), (0, hi, -1)", "(lo, hi, 1)", elu_lines),
    ("_choices", "Elu.slope", "max(one, self._scaled(one, one)[1])", "one", elu_lines),
    ("_choices", "Elu.value", "if x >= 0", "if x >= -(1 << p)", elu_lines),
    ("_library", "_called", "node.model.relative(node.name, node.dtype)", "Fraction(0)", runs("tanh")),
    ("_library", "_tanh", "ONE - (t * t >> GRID)", "ONE >> 5", runs("tanh of what is uncertain")),
    ("_library", "_logistic", "ONE >> 2 if", "ONE >> 6 if", runs("logistic of what is uncertain")),
    ("_library", "_erf", "1129", "29", runs("erf of what is uncertain")),
    ("_library", "_exponential", "b + least for b", "least for b", runs("exp of what is uncertain")),
    ("_library", "_log1p", "ONE + a", "16 * ONE + a", runs("log1p of what is uncertain")),
    ("_library", "_sqrt", "math.isqrt(a << GRID) +", "16 * math.isqrt(a << GRID) +", runs("sqrt of what is uncertain")),
    ("_library", "_rsqrt", "2 * (a", "16 * (a", runs("rsqrt of what is uncertain")),
]  # fmt: skip


def points_with_a_split():
    """A split leaves the point itself in both halves: a false claim stays false."""
    c = test_known_answers.mlp(box=((0.0, 0.0), (0.0, 0.0)), offset=100.0)
    split = {"value": 0, "index": 0, "at": [0, 0]}
    c.proof = [{"split": split}, test_known_answers.leaf(), test_known_answers.leaf()]
    assert not test_known_answers.check(c.pack()).accepted


def half_proved():
    """x > 0 on [-1, 1] holds in the upper part only, x < 0 in the lower."""
    for sign, at in ((1, [1, -1]), (-1, [-1, -1])):
        c = test_known_answers.Certificate()
        c.output(c.box([-1.0], [1.0]))
        c.property = c.rows([[sign]], [0.0])
        split = {"value": 0, "index": 0, "at": at}
        c.proof = [
            {"split": split},
            test_known_answers.leaf(),
            test_known_answers.leaf(),
        ]
        assert not test_known_answers.check(c.pack()).accepted


def bad_manifest(text, words):
    return lambda: test_bad_input.test_manifests_that_are_not_canonical_json(
        text, words
    )


def bad_case(*path, value):
    for case in test_bad_input.CASES:
        if case[1] == path and case[2] == value:
            return lambda: test_bad_input.test_descriptions_that_break_the_format(case)
    raise LookupError(path)


def ball_rounding():
    """Radius times the norm of (1, 1) is no binary number: the bound stays below."""
    c = test_known_answers.Certificate()
    x = c.ball([0.0, 0.0], 0.5, 2)
    c.output(x)
    c.property = c.rows([[1, 1]], [-1.0])
    margin = test_known_answers.exact(test_known_answers.check(c.pack()).margin)
    assert 2 * (1 - margin) ** 2 >= 1


def exp_points():
    """The upper end of exp by a series cut short, where its tail counts most."""
    import flint

    from torchlean_check._exponential import _series

    for r in range(1, 64):
        flint.ctx.prec = 200
        true = (flint.arb(r) / 32).exp() * 2**60
        assert not true > _series(r << 55, 60, True)


def packing():
    for bits in test_packed.LENGTHS:
        test_packed.test_steps_act_on_each_form_alone(bits)


def products_by_both():
    for name in ("python", "flint"):
        test_packed.test_products_with_long_integers(name)


def fields():
    for bits in test_packed.LENGTHS:
        test_packed.test_fields_at_their_limits(bits)


NAMED = {
    "constraints": test_known_answers.constraints_are_used,
    "signs": lambda: test_known_answers.test_bad_multipliers_are_refused(
        [[-1.0]], "negative"
    ),
    "places": test_known_answers.test_multipliers_go_with_their_rows,
    "packing": packing,
    "fields": fields,
    "products": products_by_both,
    "bias": test_rounding.test_the_constants_of_linear_forms_only_shrink,
    "refined": test_known_answers.test_refined_bounds_hold_and_are_nearer,
    "points_with_a_split": points_with_a_split,
    "half_proved": half_proved,
    "zonotopes": test_zonotopes.any_network,
    "zonotopes by hand": test_zonotopes.by_hand,
    "curves of zonotopes": test_zonotopes.curves,
    "factors of zonotopes": test_zonotopes.factors,
    "long zonotopes": test_zonotopes.long_numbers,
    "fields of zonotopes": test_zonotopes.fields,
    "slopes of zonotopes": test_zonotopes.no_slopes,
    "stacked": test_phases.test_slopes_of_many_leaves_are_found_in_their_rows,
    "signs_of_splits": test_phases.any_multipliers_are_sound,
    "negative": lambda: test_phases.test_bad_fields_are_refused(
        {"split_multipliers": [[[-1, 0]]]}, "negative"
    ),
    "goals": test_phases.test_each_leaf_proves_its_own_part,
    "disjunctions": test_phases.test_a_disjunction_is_not_proved_part_by_part,
    "dropped_rows": test_phases.test_each_counts_all_rows,
    "shared": test_known_answers.test_bounds_that_leaves_share_hold_and_are_as_near,
    "sliver": test_known_answers.test_nothing_lies_between_the_halves_of_a_cut,
    "incomplete_tree": test_bad_input.test_an_incomplete_tree_of_cases_is_refused,
    "lemma": test_lemmas.exact_by_hand,
    "lemmas": test_lemmas.any_lemmas_are_sound,
    "lemma_of_a_half": test_lemmas.test_a_lemma_of_a_half_says_nothing_of_the_other,
    "themselves": test_lemmas.test_lemmas_do_not_prove_themselves,
    "strict_lemmas": test_lemmas.test_lemmas_are_strict,
    "false_lemma": test_lemmas.test_a_false_lemma_is_rejected_at_its_place,
    "licence": test_lemmas.test_a_lemma_is_no_licence_to_prove_the_property_in_its_place,
    "margin_of_lemmas": test_lemmas.test_the_margin_is_that_of_the_property,
    "halfspaces": test_lemmas.halfspaces,
    "later_splits": test_lemmas.later_splits,
    "domains": test_lemmas.domains,
    "bounds_are_shared": test_lemmas.bounds_are_shared,
    "bounds_are_kept": test_lemmas.bounds_are_kept,
    "any_clause": test_known_answers.test_any_needs_one_clause_on_the_whole_leaf,
    "slopes": test_bad_input.test_slopes_outside_of_the_unit_interval,
    "balls": test_known_answers.test_balls_use_the_dual_norm,
    "ball_rounding": ball_rounding,
    "duplicate_keys": bad_manifest(b'{"a":1,"a":1}', "repeated key"),
    "json_numbers": bad_manifest(b'{"a":NaN}', "not an integer"),
    "nan": lambda: test_bad_input.test_nan_and_infinity_in_arrays("1", float("nan")),
    "subnormals": test_rounding.test_every_float_format_is_read_exactly,
    "unknown_value": bad_case("graph", "nodes", 0, "in", value=[0, 99]),
    "turning_points": test_smooth.test_turning_points_are_found,
    "exp_points": exp_points,
    "half_ulps": lambda: test_executions.refused({"ulps": {**ULPS, "tanh": 49}}),
    "few_roundings": lambda: test_executions.refused({"quotient": 99}),
}


def test_the_named_tests_pass_unbroken():
    for name, function in NAMED.items():
        function()
        assert name in {case[-1] for case in MUTATIONS}


@pytest.mark.parametrize("case", MUTATIONS, ids=lambda c: f"{c[1]}:{c[3].strip()[:40]}")
def test_the_suite_notices(case):
    *mutation, suite = case
    suite = NAMED[suite] if isinstance(suite, str) else suite
    with mutated(*mutation), pytest.raises((Exception, pytest.fail.Exception)):
        suite()
