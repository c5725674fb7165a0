(** exp, logistic and tanh: a decision, in interval arithmetic, whether a line bounds the
    function on an interval, and the proof that it is right. Enclosures of values and
    slopes at single points come from coq-interval; what holds between the points follows
    from convexity (Convex.v). *)
From Coq Require Import ZArith Reals Lra Lia Bool.
From Bignums Require Import BigZ.
From Interval Require Import Specific_bigint Specific_ops Float_full Xreal Interval Basic.
From TorchLean Require Import Graph Numbers Lines Curves Rules Convex.
From TorchLean Require Import Checker Sound.
Open Scope R_scope.

Module F := SpecificFloat BigIntRadix2.
Module I := FloatIntervalFull F.

Section Precision.
Variable bits : I.F.precision. (* of the interval arithmetic *)

(** ** Enclosures of reals *)
Definition holds_real (X : I.type) (x : R) : Prop := contains (I.convert X) (Xreal x).
Definition integer_in (m : Z) : I.type := I.fromZ bits m.
Definition dyadic_in (d : dyadic) : I.type :=
  I.mul bits (integer_in (BigZ.to_Z (snd d))) (I.power_int bits (integer_in 2) (fst d)).
Definition exp_in (X : I.type) : I.type := I.exp bits X.
Definition logistic_in (X : I.type) : I.type :=
  I.inv bits (I.add bits (integer_in 1) (exp_in (I.neg X))).
Definition tanh_in (X : I.type) : I.type :=
  I.sub bits (integer_in 1) (I.mul bits (integer_in 2)
    (I.inv bits (I.add bits (exp_in (I.mul bits (integer_in 2) X)) (integer_in 1)))).

Lemma integer_holds m : holds_real (integer_in m) (IZR m).
Proof. apply I.fromZ_correct. Qed.
Lemma add_holds X Y x y : holds_real X x -> holds_real Y y ->
  holds_real (I.add bits X Y) (x + y).
Proof. intros Hx Hy; exact (I.add_correct bits X Y (Xreal x) (Xreal y) Hx Hy). Qed.
Lemma sub_holds X Y x y : holds_real X x -> holds_real Y y ->
  holds_real (I.sub bits X Y) (x - y).
Proof. intros Hx Hy; exact (I.sub_correct bits X Y (Xreal x) (Xreal y) Hx Hy). Qed.
Lemma mul_holds X Y x y : holds_real X x -> holds_real Y y ->
  holds_real (I.mul bits X Y) (x * y).
Proof. intros Hx Hy; exact (I.mul_correct bits X Y (Xreal x) (Xreal y) Hx Hy). Qed.
Lemma neg_holds X x : holds_real X x -> holds_real (I.neg X) (- x).
Proof. intros Hx; exact (I.neg_correct X (Xreal x) Hx). Qed.
Lemma exp_holds X x : holds_real X x -> holds_real (exp_in X) (exp x).
Proof. intros Hx; exact (I.exp_correct bits X (Xreal x) Hx). Qed.
Lemma inv_holds X x : x <> 0 -> holds_real X x -> holds_real (I.inv bits X) (/ x).
Proof.
  intros N Hx; pose proof (I.inv_correct bits X (Xreal x) Hx) as H.
  unfold Xinv, Xinv' in H; simpl in H.
  destruct (is_zero_spec x) as [Z | _]; [contradiction | exact H].
Qed.
Lemma power_holds e : holds_real (I.power_int bits (integer_in 2) e) (powerRZ 2 e).
Proof.
  pose proof (I.power_int_correct bits e _ _ (integer_holds 2)) as H.
  unfold holds_real; destruct e as [| e | e]; simpl in *; [exact H | exact H |].
  unfold Xpower_int' in H; simpl in H.
  destruct (is_zero_spec 2) as [Z | _]; [lra | exact H].
Qed.
Lemma dyadic_holds d : holds_real (dyadic_in d) (number d).
Proof. apply mul_holds; [apply integer_holds | apply power_holds]. Qed.
Lemma logistic_holds X x : holds_real X x ->
  holds_real (logistic_in X) (1 / (1 + exp (- x))).
Proof.
  intros H; unfold Rdiv; rewrite Rmult_1_l; apply inv_holds.
  - pose proof (exp_pos (- x)); lra.
  - apply add_holds; [apply integer_holds | apply exp_holds, neg_holds, H].
Qed.
Lemma tanh_by_exp x : tanh x = 1 - 2 * / (exp (2 * x) + 1).
Proof.
  unfold tanh, sinh, cosh; replace (2 * x) with (x + x) by ring.
  rewrite exp_plus, exp_Ropp; pose proof (exp_pos x) as P; field.
  repeat split; nra.
Qed.
Lemma tanh_holds X x : holds_real X x -> holds_real (tanh_in X) (tanh x).
Proof.
  intros H; rewrite tanh_by_exp; apply sub_holds; [apply integer_holds |].
  apply mul_holds; [apply integer_holds |]; apply inv_holds.
  - pose proof (exp_pos (2 * x)); lra.
  - apply add_holds; [| apply integer_holds]; apply exp_holds, mul_holds;
      [apply integer_holds | exact H].
Qed.

Definition nonneg_in (X : I.type) : bool :=
  match I.sign_large X with Xgt => true | _ => false end.
Lemma nonneg_holds X x : holds_real X x -> nonneg_in X = true -> 0 <= x.
Proof.
  unfold nonneg_in; intros Hx H; pose proof (I.sign_large_correct X) as C.
  destruct (I.sign_large X); try discriminate; exact (proj2 (C _ Hx)).
Qed.

(** ** The functions, and where they bend *)
Definition of_curve (f : curve) : function :=
  match f with ExpCurve => Exp | LogisticCurve => Logistic | TanhCurve => Tanh end.
Definition value_in (f : curve) (X : I.type) : I.type :=
  match f with
  | ExpCurve => exp_in X
  | LogisticCurve => logistic_in X
  | TanhCurve => tanh_in X
  end.
Definition slope_in (f : curve) (X : I.type) : I.type :=
  let Y := value_in f X in
  match f with
  | ExpCurve => Y
  | LogisticCurve => I.mul bits Y (I.sub bits (integer_in 1) Y)
  | TanhCurve => I.sub bits (integer_in 1) (I.mul bits Y Y)
  end.
Lemma value_is f x : curve_value f x = meaning (of_curve f) x.
Proof. destruct f; reflexivity. Qed.
Notation f_ f := (meaning (of_curve f)).
Notation d_ f := (slope (of_curve f)).

Lemma value_holds f X x : holds_real X x -> holds_real (value_in f X) (f_ f x).
Proof.
  intros H; destruct f; [apply exp_holds | apply logistic_holds | apply tanh_holds]; exact H.
Qed.
Lemma slope_holds f X x : holds_real X x -> holds_real (slope_in f X) (d_ f x).
Proof.
  intros H; destruct f; cbv beta iota zeta delta [slope_in slope of_curve].
  - apply exp_holds, H.
  - apply mul_holds; [| apply sub_holds; [apply integer_holds |]];
      apply (value_holds LogisticCurve), H.
  - apply sub_holds; [apply integer_holds |].
    apply mul_holds; apply (value_holds TanhCurve), H.
Qed.
Lemma curve_derivative f x : derivable_pt_lim (f_ f) x (d_ f x).
Proof. apply slope_is_derivative; destruct f; exact I. Qed.

Lemma exp_increasing x y : x <= y -> exp x <= exp y.
Proof. intros [H | ->]; [apply Rlt_le, exp_increasing, H | lra]. Qed.
Lemma logistic_bounds x y : x <= y ->
  0 < 1 / (1 + exp (- x)) <= 1 / (1 + exp (- y)) /\ 1 / (1 + exp (- y)) < 1.
Proof.
  intros H; pose proof (exp_pos (- x)); pose proof (exp_pos (- y)).
  pose proof (exp_increasing (- y) (- x) ltac:(lra)).
  unfold Rdiv; rewrite !Rmult_1_l; repeat split.
  - apply Rinv_0_lt_compat; lra.
  - apply Rinv_le_contravar; lra.
  - rewrite <- Rinv_1; apply Rinv_lt_contravar; lra.
Qed.
Lemma tanh_is_logistic x : tanh x = 2 * (1 / (1 + exp (- (2 * x)))) - 1.
Proof.
  rewrite tanh_by_exp, exp_Ropp; pose proof (exp_pos (2 * x)); field; lra.
Qed.
Lemma half x : x <= 0 -> 1 / (1 + exp (- x)) <= / 2.
Proof.
  intros H; pose proof (logistic_bounds x 0 H) as [[_ L] _].
  rewrite Ropp_0, exp_0 in L; lra.
Qed.
Lemma half' x : 0 <= x -> / 2 <= 1 / (1 + exp (- x)).
Proof.
  intros H; pose proof (logistic_bounds 0 x H) as [[_ L] _].
  rewrite Ropp_0, exp_0 in L; lra.
Qed.

Definition bends (f : curve) : bool := match f with ExpCurve => false | _ => true end.
Lemma curve_convex f lo hi : bends f = false \/ hi <= 0 -> convex (d_ f) lo hi.
Proof.
  intros H x y Hl Hxy Hh; destruct f; simpl.
  - apply exp_increasing, Hxy.
  - destruct H as [H | H]; [discriminate |].
    pose proof (logistic_bounds x y Hxy); pose proof (half y ltac:(lra)); nra.
  - destruct H as [H | H]; [discriminate |]; rewrite !tanh_is_logistic.
    pose proof (logistic_bounds (2 * x) (2 * y) ltac:(lra)).
    pose proof (half (2 * y) ltac:(lra)); nra.
Qed.
Lemma curve_concave f lo hi : bends f = true -> 0 <= lo -> concave (d_ f) lo hi.
Proof.
  intros B H x y Hl Hxy Hh; destruct f; [discriminate | |]; simpl.
  - pose proof (logistic_bounds x y Hxy); pose proof (half' x ltac:(lra)); nra.
  - rewrite !tanh_is_logistic; pose proof (logistic_bounds (2 * x) (2 * y) ltac:(lra)).
    pose proof (half' (2 * x) ltac:(lra)); nra.
Qed.

(** ** The decision. A line a x + b; where the tangent decides, it is the one at [c]. *)
Definition on_in (l : line) (X : I.type) : I.type :=
  I.add bits (I.mul bits (dyadic_in (slope_of l)) X) (dyadic_in (at_zero l)).
Definition tangent_in (f : curve) (C X : I.type) : I.type :=
  I.add bits (value_in f C) (I.mul bits (slope_in f C) (I.sub bits X C)).
Definition no_less (X Y : I.type) : bool := nonneg_in (I.sub bits X Y).
Lemma no_less_holds X Y x y : holds_real X x -> holds_real Y y -> no_less X Y = true ->
  y <= x.
Proof.
  intros Hx Hy H; pose proof (nonneg_holds _ _ (sub_holds _ _ _ _ Hx Hy) H); lra.
Qed.
Lemma on_holds l X x : holds_real X x -> holds_real (on_in l X) (on l x).
Proof.
  intros H; apply add_holds; [apply mul_holds |]; try apply dyadic_holds; exact H.
Qed.
Lemma tangent_holds f C X c x : holds_real C c -> holds_real X x ->
  holds_real (tangent_in f C X) (f_ f c + d_ f c * (x - c)).
Proof.
  intros Hc Hx; apply add_holds; [apply value_holds, Hc |].
  apply mul_holds; [apply slope_holds, Hc | apply sub_holds; assumption].
Qed.

(** Tests at one end of a piece: [over] says that the curve (its tangent) is no less than
    the line there, otherwise that it is no more. *)
Definition test (over : bool) (f : curve) (C : option dyadic) (l : line) (x : dyadic)
  : bool :=
  let X := dyadic_in x in
  let Y := match C with
           | Some c => tangent_in f (dyadic_in c) X
           | None => value_in f X
           end in
  if over then no_less Y (on_in l X) else no_less (on_in l X) Y.
Definition inside_piece (c lo hi : dyadic) : bool := dle lo c && dle c hi.
(** On a piece where the curve is convex the line below is decided by a tangent and the
    line above by the ends; where it is concave, the other way round. *)
Definition piece (over : bool) (is_convex : bool) (f : curve) (l : line)
    (lo hi c : dyadic) : bool :=
  if Bool.eqb over is_convex
  then inside_piece c lo hi && test over f (Some c) l lo && test over f (Some c) l hi
  else test over f None l lo && test over f None l hi.
Definition smaller (x y : dyadic) : dyadic := if dle x y then x else y.
Definition larger (x y : dyadic) : dyadic := if dle x y then y else x.
Definition bounds (over : bool) (f : curve) (l : line) (lo hi c1 c2 : dyadic) : bool :=
  if bends f
  then (if dle lo dzero then piece over true f l lo (smaller hi dzero) c1 else true)
       && (if dle dzero hi then piece over false f l (larger lo dzero) hi c2 else true)
  else piece over true f l lo hi c1.

Lemma test_sound over f C l x : test over f C l x = true ->
  let y := match C with
           | Some c => f_ f (number c) + d_ f (number c) * (number x - number c)
           | None => f_ f (number x)
           end in
  if over then on l (number x) <= y else y <= on l (number x).
Proof.
  unfold test; intros H; pose proof (dyadic_holds x) as X.
  pose proof (on_holds l _ _ X) as L; destruct C as [c |].
  - pose proof (tangent_holds f _ _ _ _ (dyadic_holds c) X) as T.
    destruct over; [exact (no_less_holds _ _ _ _ T L H) | exact (no_less_holds _ _ _ _ L T H)].
  - pose proof (value_holds f _ _ X) as T.
    destruct over; [exact (no_less_holds _ _ _ _ T L H) | exact (no_less_holds _ _ _ _ L T H)].
Qed.

Lemma piece_sound over cvx f l lo hi c x : piece over cvx f l lo hi c = true ->
  (if cvx then convex (d_ f) (number lo) (number hi)
   else concave (d_ f) (number lo) (number hi)) ->
  number lo <= x <= number hi -> bounded over f l x.
Proof.
  unfold piece, inside_piece, bounded; rewrite value_is; intros H Hc Hx.
  pose proof (curve_derivative f) as D.
  set (g := f_ f) in *; set (g' := d_ f) in *.
  assert (T : Bool.eqb over cvx = true -> number lo <= number c <= number hi
    /\ forall s, s = number lo \/ s = number hi ->
       if over then on l s <= g (number c) + g' (number c) * (s - number c)
       else g (number c) + g' (number c) * (s - number c) <= on l s).
  { intros E; rewrite E in H; rewrite !andb_true_iff in H; destruct H as [[[H1 H2] H3] H4].
    apply number_le in H1; apply number_le in H2.
    apply test_sound in H3; apply test_sound in H4.
    split; [lra |]; intros s [-> | ->]; assumption. }
  assert (V : Bool.eqb over cvx = false -> forall s, s = number lo \/ s = number hi ->
       if over then on l s <= g s else g s <= on l s).
  { intros E; rewrite E in H; rewrite !andb_true_iff in H; destruct H as [H3 H4].
    apply test_sound in H3; apply test_sound in H4.
    intros s [-> | ->]; assumption. }
  clear H; destruct over, cvx; cbn [Bool.eqb] in T, V;
    [clear V; destruct (T eq_refl) as [Hcc T'] | clear T; pose proof (V eq_refl) as T'
    | clear T; pose proof (V eq_refl) as T' | clear V; destruct (T eq_refl) as [Hcc T']];
    pose proof (T' _ (or_introl eq_refl)) as Tl; pose proof (T' _ (or_intror eq_refl)) as Th;
    unfold on in *.
  - pose proof (above_tangent g g' _ _ D (number c) x Hc Hcc Hx).
    pose proof (linear_between (number (slope_of l)) (number (at_zero l)) (g' (number c))
      (g (number c) - g' (number c) * number c) _ _ x Hx ltac:(lra) ltac:(lra)); lra.
  - exact (above_chord g g' _ _ D Hc _ _ x Hx Tl Th).
  - exact (below_chord g g' _ _ D _ _ x Hc Hx Tl Th).
  - pose proof (below_tangent g g' _ _ D Hc (number c) x Hcc Hx).
    pose proof (linear_between (g' (number c)) (g (number c) - g' (number c) * number c)
      (number (slope_of l)) (number (at_zero l)) _ _ x Hx ltac:(lra) ltac:(lra)); lra.
Qed.

Lemma smaller_is x y : number (smaller x y) = Rmin (number x) (number y).
Proof.
  unfold smaller; destruct (dle x y) eqn:E;
    [apply number_le in E; rewrite Rmin_left | apply number_gt in E; rewrite Rmin_right];
    lra.
Qed.
Lemma larger_is x y : number (larger x y) = Rmax (number x) (number y).
Proof.
  unfold larger; destruct (dle x y) eqn:E;
    [apply number_le in E; rewrite Rmax_right | apply number_gt in E; rewrite Rmax_left];
    lra.
Qed.

(** What the decision accepts is true of every real of the interval. *)
Theorem bounds_sound : right bounds.
Proof.
  intros over f l lo hi c1 c2 x; unfold bounds; destruct (bends f) eqn:B; intros H Hx.
  - apply andb_true_iff in H; destruct H as [H1 H2]; destruct (Rle_dec x 0) as [N | P].
    + assert (E : dle lo dzero = true) by (apply number_le; rewrite number_zero; lra).
      rewrite E in H1; refine (piece_sound _ _ _ _ _ _ _ _ H1 _ _); simpl;
        rewrite ?smaller_is, ?number_zero.
      * apply curve_convex; right; apply Rmin_r.
      * split; [lra |]; apply Rmin_glb; lra.
    + assert (E : dle dzero hi = true) by (apply number_le; rewrite number_zero; lra).
      rewrite E in H2; refine (piece_sound _ _ _ _ _ _ _ _ H2 _ _); simpl;
        rewrite ?larger_is, ?number_zero.
      * apply curve_concave; [exact B | apply Rmax_r].
      * split; [| lra]; apply Rmax_lub; lra.
  - refine (piece_sound _ _ _ _ _ _ _ _ H _ Hx); apply curve_convex; left; exact B.
Qed.
End Precision.

(** ** The checker, with this decision in 60 bits *)
Definition decide_60 : decision := bounds (F.PtoP 60).
Definition check_smooth : graph -> box -> property -> tree -> bool := check_with decide_60.
Theorem check_smooth_sound g b p t : check_smooth g b p t = true -> claim g b p.
Proof. apply check_with_sound, bounds_sound. Qed.
