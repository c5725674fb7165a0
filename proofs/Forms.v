(** Linear forms in the vectors of a graph, and their substitution through affine maps:
    exact, in blocks of integers with one exponent. *)
From Coq Require Import ZArith Reals Lra Lia List.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Numbers Vectors.
Import ListNotations.
Open Scope R_scope.

(** ** Sums of integer vectors; what is beyond the end is 0 *)
Fixpoint add (x y : list BigZ.t) : list BigZ.t :=
  match x, y with
  | a :: x', b :: y' => BigZ.add a b :: add x' y'
  | [], _ => y
  | _, [] => x
  end.
(** a * w + y *)
Fixpoint add_multiple (a : BigZ.t) (w y : list BigZ.t) : list BigZ.t :=
  match w, y with
  | m :: w', b :: y' => BigZ.add (BigZ.mul a m) b :: add_multiple a w' y'
  | [], _ => y
  | _, [] => map (BigZ.mul a) w
  end.
(** The vector y with [f] done to what comes after its first [n] entries. *)
Fixpoint after (n : nat) (f : list BigZ.t -> list BigZ.t) (y : list BigZ.t) : list BigZ.t :=
  match n with
  | O => f y
  | S n' =>
      match y with
      | [] => BigZ.zero :: after n' f []
      | b :: y' => b :: after n' f y'
      end
  end.
Fixpoint add_gaps (a : BigZ.t) (w : list (nat * BigZ.t)) (y : list BigZ.t) : list BigZ.t :=
  match w with
  | [] => y
  | (zeros, m) :: w' =>
      after zeros
        (fun rest =>
           match rest with
           | [] => BigZ.mul a m :: add_gaps a w' []
           | b :: rest' => BigZ.add (BigZ.mul a m) b :: add_gaps a w' rest'
           end) y
  end.
Definition add_row (a : BigZ.t) (r : row) (y : list BigZ.t) : list BigZ.t :=
  match r with Full w => add_multiple a w y | Gaps w => add_gaps a w y end.
Fixpoint multiply (x y : list BigZ.t) : list BigZ.t :=
  match x, y with
  | a :: x', b :: y' => BigZ.mul a b :: multiply x' y'
  | _, _ => []
  end.
(** c @ rows *)
Fixpoint through_rows (c : list BigZ.t) (rows : list row) : list BigZ.t :=
  match c, rows with
  | a :: c', r :: rows' =>
      let y := through_rows c' rows' in
      if is0 a then y else add_row a r y
  | _, _ => []
  end.
Definition through (c : block) (M : matrix) : block :=
  match M with
  | Same => c
  | Times b => ((fst c + fst b)%Z, multiply (snd c) (snd b))
  | Rows e rows => ((fst c + e)%Z, through_rows (snd c) rows)
  end.

(** ** Blocks *)
Definition grow_all (e f : Z) (ms : list BigZ.t) : list BigZ.t :=
  if (e =? f)%Z then ms else map (grow e f) ms.
Definition add_block (x y : block) : block :=
  match snd x, snd y with
  | [], _ => y
  | _, [] => x
  | _, _ =>
      let f := Z.min (fst x) (fst y) in
      (f, add (grow_all (fst x) f (snd x)) (grow_all (fst y) f (snd y)))
  end.
Fixpoint dot_integers (x y : list BigZ.t) : BigZ.t :=
  match x, y with
  | a :: x', b :: y' => BigZ.add (BigZ.mul a b) (dot_integers x' y')
  | _, _ => BigZ.zero
  end.
Fixpoint add_at (k : nat) (c : block) (cs : list block) : list block :=
  match k, cs with
  | O, [] => [c]
  | O, d :: cs' => add_block c d :: cs'
  | S k', [] => (0%Z, []) :: add_at k' c []
  | S k', d :: cs' => d :: add_at k' c cs'
  end.

(** The form f + c . (value of a). *)
Definition through_affine (c : block) (a : affine) (f : form) : form :=
  {| coefficients :=
       fold_right (fun t cs => add_at (fst t) (through c (snd t)) cs) (coefficients f)
         (terms a);
     constant :=
       dadd (fst c + fst (bias a), dot_integers (snd c) (snd (bias a)))%Z (constant f) |}.

(** ** What they mean *)
Section Meaning.
Variables (e f : Z).
Notation mean e := (map (real e)).

Lemma mean_grow ms : (f <= e)%Z -> mean f (grow_all e f ms) = mean e ms.
Proof.
  intros H; unfold grow_all; destruct (Z.eqb_spec e f) as [-> | _]; [reflexivity |].
  rewrite map_map; apply map_ext; intros m; apply grow_real, H.
Qed.
Lemma mean_add x y : mean e (add x y) = plus (mean e x) (mean e y).
Proof.
  revert y; induction x as [| a x IH]; intros [| b y]; try reflexivity.
  simpl; rewrite real_add, IH; reflexivity.
Qed.
Lemma mean_mul a w : mean (e + f) (map (BigZ.mul a) w) = map (Rmult (real e a)) (mean f w).
Proof. rewrite !map_map; apply map_ext; intros m; apply real_mul. Qed.

Lemma dot_add_multiple a w y x :
  dot (mean (e + f) (add_multiple a w y)) x
  = real e a * dot (mean f w) x + dot (mean (e + f) y) x.
Proof.
  revert y x; induction w as [| m w IH]; intros y x; [simpl; ring |].
  destruct y as [| b y].
  - change (add_multiple a (m :: w) []) with (map (BigZ.mul a) (m :: w)).
    rewrite mean_mul, dot_scale; simpl; ring.
  - destruct x as [| v x]; [rewrite !dot_nil_r; ring |].
    simpl; rewrite real_add, real_mul, IH; ring.
Qed.
Lemma dot_after n g y x :
  dot (mean (e + f) (after n g y)) x
  = dot (mean (e + f) (firstn n y)) x
    + dot (mean (e + f) (g (skipn n y))) (skipn n x).
Proof.
  revert y x; induction n as [| n IH]; intros y x; [simpl; ring |].
  destruct y as [| b y], x as [| v x]; simpl; rewrite ?dot_nil_r; try ring.
  - rewrite real_zero, IH, firstn_nil, skipn_nil; simpl; ring.
  - rewrite IH; ring.
Qed.
Lemma dot_split n y x :
  dot (mean (e + f) y) x
  = dot (mean (e + f) (firstn n y)) x + dot (mean (e + f) (skipn n y)) (skipn n x).
Proof.
  revert y x; induction n as [| n IH]; intros y x; [simpl; ring |].
  destruct y as [| b y], x as [| v x]; simpl; rewrite ?dot_nil_r; try ring.
  rewrite IH; ring.
Qed.
Lemma dot_add_gaps a w y x :
  dot (mean (e + f) (add_gaps a w y)) x
  = real e a * dot (entries f (Gaps w)) x + dot (mean (e + f) y) x.
Proof.
  revert y x; induction w as [| [n m] w IH]; intros y x; [simpl; ring |].
  cbn [add_gaps]; rewrite dot_after, (dot_split n y x); simpl entries.
  rewrite <- app_assoc, dot_app_zeros.
  destruct (skipn n y) as [| b rest], (skipn n x) as [| v x'];
    simpl; rewrite ?dot_nil_r; try ring;
    rewrite ?real_add, real_mul, IH; simpl; ring.
Qed.
Lemma dot_add_row a r y x :
  dot (mean (e + f) (add_row a r y)) x
  = real e a * dot (entries f r) x + dot (mean (e + f) y) x.
Proof. destruct r; [apply dot_add_multiple | apply dot_add_gaps]. Qed.
Lemma dot_through_rows c rows x :
  dot (mean (e + f) (through_rows c rows)) x
  = dot (mean e c) (map (fun r => dot (entries f r) x) rows).
Proof.
  revert rows; induction c as [| a c IH]; intros [| r rows]; try reflexivity.
  cbn [through_rows map dot]; destruct (is0 a) eqn:E.
  - rewrite (is0_real e) by exact E; rewrite IH; ring.
  - rewrite dot_add_row, IH; reflexivity.
Qed.
Lemma mean_multiply x y : mean (e + f) (multiply x y) = times (mean e x) (mean f y).
Proof.
  revert y; induction x as [| a x IH]; intros [| b y]; try reflexivity.
  simpl; rewrite real_mul, IH; reflexivity.
Qed.
Lemma dot_integers_real x y :
  real (e + f) (dot_integers x y) = dot (mean e x) (mean f y).
Proof.
  revert y; induction x as [| a x IH]; intros [| b y]; simpl; try apply real_zero.
  rewrite real_add, real_mul, IH; reflexivity.
Qed.
End Meaning.

Lemma dot_through c M x : dot (reals (through c M)) x = dot (reals c) (apply M x).
Proof.
  destruct c as [e c], M as [| [f b] | f rows]; unfold reals; simpl.
  - reflexivity.
  - rewrite mean_multiply; apply dot_times.
  - apply dot_through_rows.
Qed.
Lemma dot_add_block x y v :
  dot (reals (add_block x y)) v = dot (reals x) v + dot (reals y) v.
Proof.
  destruct x as [e [| a x]], y as [f [| b y]]; unfold add_block, reals; simpl snd;
    try (simpl; ring).
  cbn [fst snd]; rewrite mean_add, !mean_grow by lia; apply dot_plus_l.
Qed.
Lemma total_add_at k c cs env :
  total (add_at k c cs) env = dot (reals c) (nth k env []) + total cs env.
Proof.
  revert cs env; induction k as [| k IH]; intros [| d cs] [| v env]; simpl;
    rewrite ?dot_nil_r, ?dot_add_block, ?total_nil_r; try ring; rewrite IH; simpl; ring.
Qed.

Theorem through_affine_value c a f env :
  value (through_affine c a f) env = dot (reals c) (affine_value a env) + value f env.
Proof.
  unfold value, through_affine, affine_value; cbn [coefficients constant].
  rewrite number_add; unfold number at 1; cbn [fst snd].
  rewrite dot_integers_real; fold (reals c) (reals (bias a)).
  induction (terms a) as [| [k M] ts IH]; simpl; [ring |].
  rewrite total_add_at, dot_plus_r, dot_through; lra.
Qed.
