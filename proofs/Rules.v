(** The table of derivatives that Reverse.v builds on: elementwise functions by the name
    of their JAX primitive, with slope and domain, and what is linear or a product.

    `tl.check_vjp` tests what JAX applies for a primitive of that name; that both tables
    agree is a test (tests/coq/test_rules.py). *)
From Coq Require Import Reals Lra Lia List String.
Import ListNotations.
Open Scope R_scope.

Inductive function :=
| Exp | Expm1 | Log | Log1p | Sqrt | Rsqrt | Reciprocal | Square | Power (n : nat)
| Logistic | Tanh | Sinh | Cosh | Sin | Cos | Tan | Atan | Asin | Acos.

Definition meaning (f : function) (x : R) : R :=
  match f with
  | Exp => exp x
  | Expm1 => exp x - 1
  | Log => ln x
  | Log1p => ln (1 + x)
  | Sqrt => sqrt x
  | Rsqrt => 1 / sqrt x
  | Reciprocal => 1 / x
  | Square => x * x
  | Power n => x ^ n
  | Logistic => 1 / (1 + exp (- x))
  | Tanh => tanh x
  | Sinh => sinh x
  | Cosh => cosh x
  | Sin => sin x
  | Cos => cos x
  | Tan => tan x
  | Atan => atan x
  | Asin => asin x
  | Acos => acos x
  end.
Definition slope (f : function) (x : R) : R :=
  match f with
  | Exp => exp x
  | Expm1 => exp x
  | Log => 1 / x
  | Log1p => 1 / (1 + x)
  | Sqrt => 1 / (2 * sqrt x)
  | Rsqrt => - 1 / (2 * x * sqrt x)
  | Reciprocal => - 1 / (x * x)
  | Square => 2 * x
  | Power n => INR n * x ^ pred n
  | Logistic => 1 / (1 + exp (- x)) * (1 - 1 / (1 + exp (- x)))
  | Tanh => 1 - tanh x * tanh x
  | Sinh => cosh x
  | Cosh => sinh x
  | Sin => cos x
  | Cos => - sin x
  | Tan => 1 + tan x * tan x
  | Atan => 1 / (1 + x * x)
  | Asin => 1 / sqrt (1 - x * x)
  | Acos => - 1 / sqrt (1 - x * x)
  end.
Definition domain (f : function) (x : R) : Prop :=
  match f with
  | Log | Sqrt | Rsqrt => 0 < x
  | Log1p => 0 < 1 + x
  | Reciprocal => x <> 0
  | Tan => cos x <> 0
  | Asin | Acos => -1 < x < 1
  | _ => True
  end.

(** What each primitive of JAX is in a graph of Reverse.v: entry by entry, a linear map, a
    product of two values (linear where one of them is known), or a product with a
    reciprocal. *)
Inductive kind := Map (f : function) | Powers | Matrix | Bilinear | Quotient.
Definition elementwise : list (string * kind) := [
  ("exp", Map Exp); ("expm1", Map Expm1); ("log", Map Log); ("log1p", Map Log1p);
  ("sqrt", Map Sqrt); ("rsqrt", Map Rsqrt); ("square", Map Square);
  ("logistic", Map Logistic); ("tanh", Map Tanh); ("sinh", Map Sinh);
  ("cosh", Map Cosh); ("sin", Map Sin); ("cos", Map Cos); ("tan", Map Tan);
  ("atan", Map Atan); ("asin", Map Asin); ("acos", Map Acos); ("integer_pow", Powers)
]%string.
Definition linear : list string := [
  "add"; "sub"; "neg"; "add_any"; "reduce_sum"; "cumsum"; "broadcast_in_dim"; "reshape";
  "transpose"; "squeeze"; "slice"; "pad"; "rev"; "concatenate"; "dynamic_slice";
  "dynamic_update_slice"; "gather"; "scatter-add"; "select_n"; "copy"
]%string.
Definition products : list (string * kind) := [
  ("mul", Bilinear); ("dot_general", Bilinear); ("conv_general_dilated", Bilinear);
  ("div", Quotient)
]%string.
Definition table : list (string * kind) :=
  elementwise ++ map (fun name => (name, Matrix)) linear ++ products.

Lemma inverse_slope g x d : derivable_pt_lim g x d -> g x <> 0 ->
  derivable_pt_lim (fun y => 1 / g y) x (- d / (g x * g x)).
Proof.
  intros H Hn.
  pose proof (derivable_pt_lim_div (fun _ => 1) g x 0 d
    (derivable_pt_lim_const 1 x) H Hn) as D.
  replace (- d / (g x * g x)) with ((0 * g x - d * 1) / (g x)²)
    by (unfold Rsqr; field; exact Hn).
  exact D.
Qed.
Lemma shifted_slope x : derivable_pt_lim (fun y => 1 + y) x 1.
Proof.
  pose proof (derivable_pt_lim_plus (fun _ => 1) (fun y => y) x 0 1
    (derivable_pt_lim_const 1 x) (derivable_pt_lim_id x)) as D.
  rewrite Rplus_0_l in D; exact D.
Qed.
Lemma decay_slope x : derivable_pt_lim (fun y => 1 + exp (- y)) x (- exp (- x)).
Proof.
  replace (- exp (- x)) with (0 + exp (- x) * -1) by ring.
  apply (derivable_pt_lim_plus (fun _ => 1) (fun y => exp (- y)));
    [apply derivable_pt_lim_const |].
  apply (derivable_pt_lim_comp Ropp exp); [| apply derivable_pt_lim_exp].
  exact (derivable_pt_lim_opp (fun y => y) x 1 (derivable_pt_lim_id x)).
Qed.
Lemma cosh_positive x : 0 < cosh x.
Proof. unfold cosh; pose proof (exp_pos x); pose proof (exp_pos (- x)); lra. Qed.
Lemma cosh_sinh x : cosh x * cosh x - sinh x * sinh x = 1.
Proof.
  unfold cosh, sinh; replace 1 with (exp x * exp (- x)); [field |].
  rewrite <- exp_plus; replace (x + - x) with 0 by ring; apply exp_0.
Qed.

Theorem slope_is_derivative f x : domain f x ->
  derivable_pt_lim (meaning f) x (slope f x).
Proof.
  destruct f; unfold domain, meaning, slope; intros H.
  - apply derivable_pt_lim_exp.
  - replace (exp x) with (exp x - 0) by ring.
    apply (derivable_pt_lim_minus exp (fun _ => 1)); [apply derivable_pt_lim_exp |].
    apply derivable_pt_lim_const.
  - unfold Rdiv; rewrite Rmult_1_l; apply derivable_pt_lim_ln, H.
  - replace (1 / (1 + x)) with (/ (1 + x) * 1) by (field; lra).
    apply (derivable_pt_lim_comp (fun y => 1 + y) ln); [apply shifted_slope |].
    apply derivable_pt_lim_ln, H.
  - unfold Rdiv; rewrite Rmult_1_l; apply derivable_pt_lim_sqrt, H.
  - pose proof (sqrt_lt_R0 x H) as P.
    replace (- 1 / (2 * x * sqrt x)) with (- / (2 * sqrt x) / (sqrt x * sqrt x)).
    + apply inverse_slope; [apply derivable_pt_lim_sqrt, H | lra].
    + rewrite sqrt_sqrt by lra; field; lra.
  - exact (inverse_slope (fun y => y) x 1 (derivable_pt_lim_id x) H).
  - replace (2 * x) with (1 * x + x * 1) by ring.
    exact (derivable_pt_lim_mult (fun y => y) (fun y => y) x 1 1
      (derivable_pt_lim_id x) (derivable_pt_lim_id x)).
  - apply derivable_pt_lim_pow.
  - pose proof (exp_pos (- x)) as P.
    replace (1 / (1 + exp (- x)) * (1 - 1 / (1 + exp (- x))))
      with (- - exp (- x) / ((1 + exp (- x)) * (1 + exp (- x)))) by (field; lra).
    apply (inverse_slope (fun y => 1 + exp (- y))); [apply decay_slope | lra].
  - pose proof (cosh_positive x) as P.
    replace (1 - tanh x * tanh x)
      with ((cosh x * cosh x - sinh x * sinh x) / (cosh x)²)
      by (unfold tanh, Rsqr; field; lra).
    apply (derivable_pt_lim_div sinh cosh);
      [apply derivable_pt_lim_sinh | apply derivable_pt_lim_cosh | lra].
  - apply derivable_pt_lim_sinh.
  - apply derivable_pt_lim_cosh.
  - apply derivable_pt_lim_sin.
  - apply derivable_pt_lim_cos.
  - replace (1 + tan x * tan x) with ((cos x * cos x - - sin x * sin x) / (cos x)²)
      by (unfold tan, Rsqr; field; exact H).
    apply (derivable_pt_lim_div sin cos);
      [apply derivable_pt_lim_sin | apply derivable_pt_lim_cos | exact H].
  - replace (1 / (1 + x * x)) with (/ (1 + x ^ 2)) by (field; nra).
    apply derivable_pt_lim_atan.
  - eapply derive_pt_eq_1; exact (derive_pt_asin x H).
  - replace (- 1 / sqrt (1 - x * x)) with (- 1 / sqrt (1 - x²)) by reflexivity.
    eapply derive_pt_eq_1; exact (derive_pt_acos x H).
Qed.
