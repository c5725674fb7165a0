(** What a network is and what it computes over the real numbers, and what is claimed of
    it. This file (with Words.v, how the parameters of a file become numbers) is what a
    reader has to trust; all others are proofs. Nothing is rounded here.

    A vector is a list of reals whose entries beyond the end are 0. *)
From Coq Require Import ZArith Reals List.
From Bignums Require Import BigZ.
Import ListNotations.
Open Scope R_scope.

(** ** Numbers: dyadic, m * 2^e, many with one exponent *)
Definition dyadic := (Z * BigZ.t)%type.
Definition block := (Z * list BigZ.t)%type.
Definition real (e : Z) (m : BigZ.t) : R := IZR (BigZ.to_Z m) * powerRZ 2 e.
Definition number (d : dyadic) : R := real (fst d) (snd d).
Definition reals (b : block) : list R := map (real (fst b)) (snd b).

(** ** Vectors *)
Fixpoint dot (c x : list R) : R :=
  match c, x with
  | a :: c', v :: x' => a * v + dot c' x'
  | _, _ => 0
  end.
Fixpoint times (c x : list R) : list R :=
  match c, x with
  | a :: c', v :: x' => a * v :: times c' x'
  | _, _ => []
  end.
Fixpoint plus (x y : list R) : list R :=
  match x, y with
  | a :: x', b :: y' => a + b :: plus x' y'
  | [], _ => y
  | _, [] => x
  end.
Fixpoint larger (x y : list R) : list R :=
  match x, y with
  | a :: x', b :: y' => Rmax a b :: larger x' y'
  | [], _ => map (Rmax 0) y
  | _, [] => map (fun a => Rmax a 0) x
  end.

(** ** Linear maps: the identity, entry-by-entry factors, or rows. A row is written out,
    or as pairs of how many zeros come before an entry and the entry. *)
Inductive row := Full (w : list BigZ.t) | Gaps (w : list (nat * BigZ.t)).
Inductive matrix := Same | Times (factors : block) | Rows (e : Z) (rows : list row).
Definition entries (e : Z) (r : row) : list R :=
  match r with
  | Full w => map (real e) w
  | Gaps w => flat_map (fun '(zeros, m) => repeat 0 zeros ++ [real e m]) w
  end.
Definition apply (M : matrix) (x : list R) : list R :=
  match M with
  | Same => x
  | Times b => times (reals b) x
  | Rows e rows => map (fun r => dot (entries e r) x) rows
  end.

(** ** Graphs: each node makes one more vector from those before it. The last is the head
    of the list, and an operand k stands for the vector k places before the node's own
    (0: the one just before). *)
Record affine := { bias : block; terms : list (nat * matrix) }.
Inductive curve := ExpCurve | LogisticCurve | TanhCurve.
(** The last: a smooth function of the first [size] entries. *)
Inductive node :=
| Affine (a : affine) | Max (a b : affine) | Curve (f : curve) (size : nat) (a : affine).
Definition graph := list node.
Definition affine_value (a : affine) (env : list (list R)) : list R :=
  fold_right (fun t y => plus (apply (snd t) (nth (fst t) env [])) y) (reals (bias a))
    (terms a).
Definition curve_value (f : curve) (x : R) : R :=
  match f with
  | ExpCurve => exp x
  | LogisticCurve => 1 / (1 + exp (- x))
  | TanhCurve => tanh x
  end.
Fixpoint curve_values (f : curve) (size : nat) (x : list R) : list R :=
  match size with
  | O => []
  | S size' => curve_value f (hd 0 x) :: curve_values f size' (tl x)
  end.
Definition node_value (n : node) (env : list (list R)) : list R :=
  match n with
  | Affine a => affine_value a env
  | Max a b => larger (affine_value a env) (affine_value b env)
  | Curve f size a => curve_values f size (affine_value a env)
  end.
Fixpoint eval (g : graph) (inputs : list (list R)) : list (list R) :=
  match g with
  | [] => inputs
  | n :: g' => let env := eval g' inputs in node_value n env :: env
  end.

(** relu x = max(x, 0); |x| = max(x, -x); leaky relu: max(x, c x). *)
Definition zero : affine := {| bias := (0%Z, []); terms := [] |}.
Definition operand (k : nat) : affine := {| bias := (0%Z, []); terms := [(k, Same)] |}.
Definition scaled (k : nat) (c : block) : affine :=
  {| bias := (0%Z, []); terms := [(k, Times c)] |}.
Definition relu (k : nat) : node := Max (operand k) zero.

(** ** Claims: for all inputs between lo and hi, a formula of rows c . y + d > 0, where y
    stands for all vectors of the graph, the last one first. *)
Record form := { coefficients : list block; constant : dyadic }.
Fixpoint total (cs : list block) (env : list (list R)) : R :=
  match cs, env with
  | c :: cs', v :: env' => dot (reals c) v + total cs' env'
  | _, _ => 0
  end.
Definition value (f : form) (env : list (list R)) : R :=
  total (coefficients f) env + number (constant f).

Inductive property := Row (f : form) | All (ps : list property) | Any (ps : list property).
Fixpoint holds (p : property) (env : list (list R)) : Prop :=
  match p with
  | Row f => 0 < value f env
  | All ps => fold_right (fun q rest => holds q env /\ rest) True ps
  | Any ps => fold_right (fun q rest => holds q env \/ rest) False ps
  end.

Definition box := list (block * block).
Definition between (x : list R) (b : block * block) : Prop :=
  Forall2 Rle (reals (fst b)) x /\ Forall2 Rle x (reals (snd b)).
Definition within (b : box) (inputs : list (list R)) : Prop := Forall2 between inputs b.

Definition claim (g : graph) (b : box) (p : property) : Prop :=
  forall inputs, within b inputs -> holds p (eval g inputs).
