(** Lines below and above a function that is convex on an interval, from its values and
    slopes at single points: the lemmas behind Smooth.v. *)
From Coq Require Import Reals Lra.
Open Scope R_scope.

Section Piece.
Variables (f f' : R -> R) (lo hi : R).
Hypothesis derivative : forall x, derivable_pt_lim f x (f' x).

(** [f'] increases on the interval. *)
Definition convex := forall x y, lo <= x -> x <= y -> y <= hi -> f' x <= f' y.
Definition concave := forall x y, lo <= x -> x <= y -> y <= hi -> f' y <= f' x.

(** Mean values: what lies between the slopes at both ends. *)
Lemma mean x y : x < y -> exists z, x < z < y /\ f y - f x = f' z * (y - x).
Proof.
  intros H; destruct (MVT_cor2 f f' x y H (fun c _ => derivative c)) as (z & E & Hz).
  exists z; split; assumption.
Qed.

Lemma above_tangent c x : convex -> lo <= c <= hi -> lo <= x <= hi ->
  f c + f' c * (x - c) <= f x.
Proof.
  intros H Hc Hx; destruct (Rtotal_order c x) as [L | [-> | L]]; [| lra |].
  - destruct (mean c x L) as (z & Hz & E).
    pose proof (H c z ltac:(lra) ltac:(lra) ltac:(lra)); nra.
  - destruct (mean x c L) as (z & Hz & E).
    pose proof (H z c ltac:(lra) ltac:(lra) ltac:(lra)); nra.
Qed.
Lemma below_chord a b x : convex -> lo <= x <= hi ->
  f lo <= a * lo + b -> f hi <= a * hi + b -> f x <= a * x + b.
Proof.
  intros H Hx Hl Hh; apply Rnot_lt_le; intros C.
  pose proof (above_tangent x lo H Hx ltac:(lra)) as Tl.
  pose proof (above_tangent x hi H Hx ltac:(lra)) as Th.
  assert (x <> lo) by (intros ->; lra); assert (x <> hi) by (intros ->; lra).
  destruct (Rle_dec (f' x) a); nra.
Qed.
End Piece.

Lemma concave_opp f' lo hi : concave f' lo hi -> convex (fun x => - f' x) lo hi.
Proof. intros H x y Hl Hxy Hh; specialize (H x y Hl Hxy Hh); lra. Qed.
Lemma derivative_opp f f' : (forall x, derivable_pt_lim f x (f' x)) ->
  forall x, derivable_pt_lim (fun y => - f y) x (- f' x).
Proof. intros H x; exact (derivable_pt_lim_opp f x (f' x) (H x)). Qed.

Section Concave.
Variables (f f' : R -> R) (lo hi : R).
Hypothesis derivative : forall x, derivable_pt_lim f x (f' x).
Hypothesis C : concave f' lo hi.
Lemma below_tangent c x : lo <= c <= hi -> lo <= x <= hi ->
  f x <= f c + f' c * (x - c).
Proof.
  intros Hc Hx; pose proof (above_tangent _ _ lo hi (derivative_opp f f' derivative) c x
    (concave_opp f' lo hi C) Hc Hx); simpl in *; lra.
Qed.
Lemma above_chord a b x : lo <= x <= hi ->
  a * lo + b <= f lo -> a * hi + b <= f hi -> a * x + b <= f x.
Proof.
  intros Hx Hl Hh; pose proof (below_chord _ _ lo hi (derivative_opp f f' derivative)
    (- a) (- b) x (concave_opp f' lo hi C) Hx ltac:(simpl; lra) ltac:(simpl; lra));
    simpl in *; lra.
Qed.
End Concave.

(** ** A line and the tangent that decides about it: both are linear, so the ends of the
    interval suffice. *)
Lemma linear_between a b c d lo hi x : lo <= x <= hi ->
  a * lo + b <= c * lo + d -> a * hi + b <= c * hi + d -> a * x + b <= c * x + d.
Proof. intros; destruct (Rle_dec a c); nra. Qed.
