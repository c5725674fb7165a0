"""Answers about networks of two lines, whose truth is derived by hand beside each."""

from fractions import Fraction

import onnx.parser
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.vnnlib.files import boxed, declared
from torchlean_jax.vnnlib import decide, read_vnnlib

IDENTITY = "<float[1] one = {1}> { y = Mul(x, one) }"


def network(body, inputs=1, outputs=1):
    text = f"""<ir_version: 8, opset_import: ["" : 18]>
    small (float[{inputs}] x) => (float[{outputs}] y) {body}"""
    return tl.from_onnx(onnx.parser.parse_model(text))


@pytest.fixture
def query(tmp_path):
    def read(assertions, lo, hi, outputs=1):
        path = tmp_path / "property.vnnlib"
        text = declared(len(lo), outputs) + boxed(lo, hi)
        path.write_text(text + "".join(f"(assert {a})" for a in assertions))
        return read_vnnlib(path)

    return read


def test_a_property_that_holds_is_unsat_with_a_certificate(query):
    """y = x on [0, 1] never reaches 1.5."""
    answer = decide(*network(IDENTITY), query(["(>= Y_0 1.5)"], [0], [1]))
    assert answer.status == "unsat"
    (verdict,) = answer.verdicts
    assert torchlean_check.check(verdict.certificate.bytes).accepted


def test_an_unsafe_input_is_an_exact_point_of_the_exact_set(query):
    question = query(["(>= Y_0 0.7)"], ["0.1"], ["0.7000000001"])
    answer = decide(*network(IDENTITY), question)
    assert answer.status == "sat"
    assert Fraction("0.7") <= answer.inputs[0] <= Fraction("0.7000000001")
    assert question.holds(answer.inputs, [low for low, _ in answer.outputs])


def test_a_violation_of_the_rounded_box_alone_is_not_sat(query):
    """The only input is 1/10, and y = 1/10. The float above 1/10 is beyond the bound,
    but no input of the set."""
    question = query(["(>= Y_0 0.1000000005)"], ["0.1"], ["0.1"])
    answer = decide(*network(IDENTITY), question)
    assert answer.status == "unknown"
    assert "rounded property only" in answer.tried


def test_a_tie_at_a_decimal_is_confirmed_in_exact_arithmetic(query):
    """y = x = 1/10, exactly the bound: no interval of floats can tell."""
    answer = decide(*network(IDENTITY), query(["(>= Y_0 0.1)"], ["0.1"], ["0.1"]))
    assert (answer.status, answer.confirmed) == ("sat", "exact rationals")
    assert answer.inputs == (Fraction(1, 10),)


def test_a_strict_bound_that_is_only_met_is_not_sat(query):
    """y > 1 is false at the corner x = 1, and true nowhere."""
    answer = decide(*network(IDENTITY), query(["(> Y_0 1)"], [0], [1]))
    assert answer.status in ("unsat", "unknown")


def test_a_corner_that_the_file_leaves_out_is_not_sat(query):
    """y = x reaches 1 at x = 1 alone, which is not below 1."""
    net = network(IDENTITY)
    answer = decide(*net, query(["(>= Y_0 1)", "(< X_0 1)"], [0], [1]))
    assert answer.status in ("unsat", "unknown")
    assert decide(*net, query(["(<= Y_0 1)", "(< X_0 1)"], [0], [1])).status == "sat"
    answer = decide(*net, query(["(> X_0 0)", "(< X_0 1)"], [0], [1]))
    assert answer.status == "sat" and 0 < answer.inputs[0] < 1


def test_a_coefficient_beyond_float64_is_refused(query):
    for unsafe in ("(>= (* 1e400 Y_0) 1)", "(>= (+ Y_0 (* 1e-400 X_0)) 5)"):
        with pytest.raises(tl.InputError, match="beyond the numbers of float64"):
            decide(*network(IDENTITY), query([unsafe], [0], [1]))


def test_a_half_space_of_inputs_is_respected(query):
    """y = x_0 + x_1 > 1.5 happens on the box, and not where x_0 + x_1 <= 1."""
    total = "{ y = ReduceSum(x) }".replace("(x)", " <keepdims = 1> (x)")
    net = network(total, inputs=2)
    box = [0, 0], [1, 1]
    assert decide(*net, query(["(>= Y_0 1.5)"], *box)).status == "sat"
    half = "(<= (+ X_0 X_1) 1)"
    assert decide(*net, query(["(>= Y_0 1.5)", half], *box)).status == "unsat"
    found = decide(*net, query(["(>= Y_0 0.9)", half], *box))
    assert found.status == "sat" and sum(found.inputs) <= 1


def test_outputs_are_compared_with_inputs(query):
    """y = x is never more than 1/8 above x, and always more than 1/8 below x + 1."""
    net = network(IDENTITY)
    far = query(["(>= Y_0 (+ X_0 0.125))"], [0], [1])
    near = query(["(<= (+ Y_0 0.125) (+ X_0 1))"], [0], [1])
    assert decide(*net, far).status == "unsat"
    assert decide(*net, near).status == "sat"


def test_every_case_must_be_safe(query):
    """y = x: the first box is safe, the second is not."""
    boxes = "(or (<= 0 X_0 0.25) (<= {} X_0 1))"
    net = network(IDENTITY)
    both = query(["(>= Y_0 0.8)", boxes.format("0.75")], [0], [1])
    assert len(both.cases) == 2 and decide(*net, both).status == "sat"
    one = query(["(>= Y_0 1.8)", boxes.format("0.75")], [0], [1])
    answer = decide(*net, one)
    assert answer.status == "unsat" and len(answer.verdicts) == 2


def test_no_input_at_all_is_unsat_and_said_to_be_vacuous(query):
    answer = decide(*network(IDENTITY), query(["(>= Y_0 0)", "(<= X_0 -1)"], [0], [1]))
    assert answer.status == "unsat" and "satisfy the file" in answer.tried


def test_a_file_without_outputs_is_sat_at_any_input(query):
    answer = decide(*network(IDENTITY), query(["(<= X_0 0.5)"], [0], [1]))
    assert answer.status == "sat" and 0 <= answer.inputs[0] <= Fraction(1, 2)


def test_coefficients_beyond_53_bits_are_exact(query):
    """0.1234567890123456789 y + 3 x at x = y = 1 is exactly the bound."""
    net, digits = network(IDENTITY), "0.1234567890123456789"
    total = f"(+ (* {digits} Y_0) (* 3 X_0))"
    weak = query([f"(>= {total} 3{digits[1:]})"], [0], [1])
    assert weak.cases[0].copies > 1
    assert decide(*net, weak).status == "sat"
    beyond = query([f"(>= {total} 3.13)"], [0], [1])
    assert decide(*net, beyond).status == "unsat"


def test_a_file_for_another_network_is_refused(query):
    with pytest.raises(tl.InputError, match="takes 1 numbers and returns 1"):
        decide(*network(IDENTITY), query(["(<= Y_0 0)"], [0, 0], [1, 1]))


def test_an_execution_may_be_unsafe_where_the_reals_are_not(query):
    """y = (x + 1) - 1 is x, at least 1e-9; in float32 every run returns 0."""
    steps = "<float[1] one = {1}> { a = Add(x, one) y = Sub(a, one) }"
    question = query(["(<= Y_0 0.0000000005)"], ["0.000000001"], ["0.000000002"])
    over_reals = decide(*network(steps), question)
    assert over_reals.status == "unsat"
    when_run = decide(*network(steps), question, semantics="fp32")
    assert when_run.status == "sat" and "an execution" in when_run.confirmed
    assert question.holds(when_run.inputs, [low for low, _ in when_run.outputs])
    assert Fraction(float(when_run.inputs[0])) == when_run.inputs[0]


def test_a_proof_about_executions_says_so(query):
    question = query(["(>= Y_0 1.5)"], [0], [1])
    answer = decide(*network(IDENTITY), question, semantics="fp32")
    assert answer.status == "unsat"
    (verdict,) = answer.verdicts
    assert verdict.semantics == "fp32"
    assert torchlean_check.check(verdict.certificate.bytes).accepted


HARD = """<float[2, 6] w = {1, -1, 1, -1, 1, -1, 1, -1, -1, 1, 0, 0},
 float[6] v = {1, 1, 1, 1, -2, -2}>
{ a = MatMul(x, w)  b = Relu(a)  c = Mul(b, v)  y = ReduceSum<keepdims = 1>(c) }"""


def test_a_file_of_searches_belongs_to_its_network_and_property(query, tmp_path):
    """y = 2 max(|x0|, |x1|) - 2 |x0|, at least 0."""
    path, box = tmp_path / "search", (["-1", "-1"], ["1", "1"])
    options = {"certificate": False, "resume": path, "timeout": 300}
    first = decide(*network(HARD, 2), query(["(<= Y_0 -0.1)"], *box), **options)
    again = decide(*network(HARD, 2), query(["(<= Y_0 -0.1)"], *box), **options)
    assert first.status == again.status == "unsat"
    assert again.verdicts[0].parts == first.verdicts[0].parts > 1
    for body, unsafe in ((HARD, "(<= Y_0 -0.2)"), (HARD.replace("-2}", "-1}"), "")):
        with pytest.raises(tl.InputError, match="another problem"):
            other = query([unsafe or "(<= Y_0 -0.1)"], *box)
            decide(*network(body, 2), other, **options)
