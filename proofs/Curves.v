(** A smooth function bounded by lines, and linear forms substituted through the lines.
    Whether a line bounds the function is for a decision that is a parameter here (Smooth.v
    has one): this file needs no analysis. *)
From Coq Require Import ZArith Reals Lra Lia List Psatz.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Numbers Vectors Lines.
Import ListNotations.
Open Scope R_scope.

Record line := { slope_of : dyadic; at_zero : dyadic }.
Definition on (l : line) (x : R) : R := number (slope_of l) * x + number (at_zero l).
Definition bounded (over : bool) (f : curve) (l : line) (x : R) : Prop :=
  if over then on l x <= curve_value f x else curve_value f x <= on l x.

(** [decide over f l lo hi c1 c2]: the curve is over (not over: under) the line between lo
    and hi. Tangents at c1 and c2 may help. *)
Definition decision :=
  bool -> curve -> line -> dyadic -> dyadic -> dyadic -> dyadic -> bool.
Definition right (decide : decision) : Prop := forall over f l lo hi c1 c2 x,
  decide over f l lo hi c1 c2 = true -> number lo <= x <= number hi -> bounded over f l x.
Definition never : decision := fun _ _ _ _ _ _ _ => false.
Lemma never_right : right never.
Proof. intros over f l lo hi c1 c2 x H; discriminate. Qed.

(** ** Evidence: of one entry of the operand lo and hi, lines below and above, and the
    points of the tangents. Units: u_bounds of lo, hi and the points, u_slopes of slopes,
    the product of both of the level, which is the value of the line at 0. *)
Record side := { incline : BigZ.t; level : BigZ.t; touch1 : BigZ.t; touch2 : BigZ.t }.
Record bend := { b_lo : BigZ.t; b_hi : BigZ.t; under : side; upper : side }.
Definition line_of (u : units) (s : side) : line :=
  {| slope_of := (u_slopes u, incline s); at_zero := (u_slopes u + u_bounds u, level s)%Z |}.
Definition side_ok (decide : decision) (over : bool) (f : curve) (u : units) (b : bend)
    (s : side) : bool :=
  decide over f (line_of u s) (u_bounds u, b_lo b) (u_bounds u, b_hi b)
    (u_bounds u, touch1 s) (u_bounds u, touch2 s).

Definition bent (u : units) (f : curve) (b : bend) (x : R) : Prop :=
  real (u_bounds u) (b_lo b) <= x /\ bounded true f (line_of u (under b)) x
  /\ bounded false f (line_of u (upper b)) x.
Fixpoint all_bent (u : units) (f : curve) (bs : list bend) (x : list R) : Prop :=
  match bs with
  | [] => True
  | b :: bs' => bent u f b (first x) /\ all_bent u f bs' (tl x)
  end.

(** ** Substitution: a * 2^e becomes a coefficient of the operand, rounded down to a
    multiple of 2^g, and a constant in 2^(fine + u_bounds). What rounding took away is
    positive, and is multiplied by lo. *)
Definition bend_line (u : units) (e fine : Z) (b : bend) (a : BigZ.t) : BigZ.t * BigZ.t :=
  let s := if nonneg a then under b else upper b in
  let f := (e + u_slopes u)%Z in
  let exact := BigZ.mul a (incline s) in
  let c := floor_to f (u_grid u) exact in
  let rest := BigZ.sub (grow f fine exact) (grow (u_grid u) fine c) in
  (c, BigZ.add (BigZ.mul (grow f fine a) (level s)) (BigZ.mul rest (b_lo b))).
(** None if there are fewer lines than coefficients. *)
Fixpoint bend_lines (u : units) (e fine : Z) (bs : list bend) (c : list BigZ.t)
  : option (list BigZ.t * BigZ.t) :=
  match c, bs with
  | [], _ => Some ([], BigZ.zero)
  | a :: c', b :: bs' =>
      match bend_lines u e fine bs' c' with
      | Some (ms, k) =>
          if is0 a then Some (BigZ.zero :: ms, k)
          else let '(m, k') := bend_line u e fine b a in
               Some (m :: ms, BigZ.add k' k)
      | None => None
      end
  | _ :: _, [] => None
  end.

Lemma real_exponents e f m : real (e + f) m = powerRZ 2 e * real f m.
Proof. unfold real; rewrite powerRZ_add by lra; ring. Qed.

Section Sound.
Variables (u : units) (f : curve) (e fine : Z).
Hypotheses (He : (fine <= e + u_slopes u)%Z) (Hg : (fine <= u_grid u)%Z).

Lemma bend_line_sound b a c k x : bent u f b x -> bend_line u e fine b a = (c, k) ->
  real (u_grid u) c * x + real (fine + u_bounds u) k <= real e a * curve_value f x.
Proof.
  intros (Hlo & Hu & Ha); unfold bend_line; intros [= <- <-].
  set (s := if nonneg a then under b else upper b).
  assert (L : real e a * on (line_of u s) x <= real e a * curve_value f x).
  { unfold bounded in Hu, Ha; cbv iota in Hu, Ha; subst s; destruct (nonneg a) eqn:S;
      [apply Rmult_le_compat_l | apply Rmult_le_compat_neg_l]; try assumption;
      [apply nonneg_real, S | apply neg_real, S]. }
  clearbody s; apply Rle_trans with (2 := L); clear L Hu Ha.
  rewrite real_add, !real_mul, real_sub, !grow_real by assumption.
  pose proof (floor_real (e + u_slopes u) (u_grid u) (BigZ.mul a (incline s))) as F.
  set (c := real (u_grid u) _) in *; clearbody c.
  unfold on, line_of, number; cbn [slope_of at_zero fst snd].
  rewrite real_mul in *; rewrite (real_exponents (u_slopes u)).
  assert (E : real (e + u_slopes u) a = real e a * powerRZ 2 (u_slopes u)).
  { unfold real; rewrite powerRZ_add by lra; ring. }
  rewrite E; nra.
Qed.

Lemma bend_lines_sound size bs c ms k x : (length bs <= size)%nat -> all_bent u f bs x ->
  bend_lines u e fine bs c = Some (ms, k) ->
  dot (map (real (u_grid u)) ms) x + real (fine + u_bounds u) k
  <= dot (map (real e) c) (curve_values f size x).
Proof.
  revert size bs ms k x; induction c as [| a c IH]; intros size bs ms k x Hs Hb H.
  - destruct bs; injection H as <- <-; simpl; rewrite real_zero; lra.
  - destruct bs as [| b bs]; [discriminate |]; destruct size as [| size]; [inversion Hs |].
    destruct Hb as [Hb Hbs]; simpl in Hs; cbn [bend_lines] in H.
    destruct (bend_lines u e fine bs c) as [[ms' k'] |] eqn:E; [| discriminate].
    specialize (IH size bs ms' k' (tl x) ltac:(lia) Hbs E); simpl map.
    cbn [curve_values]; fold (first x); rewrite dot_cons; cbn [first hd tl].
    destruct (is0 a) eqn:Z0.
    + injection H as <- <-; simpl map; rewrite !dot_cons, !real_zero, (is0_real e a Z0).
      unfold first in *; simpl in *; lra.
    + destruct (bend_line u e fine b a) as [m k0] eqn:L; injection H as <- <-.
      simpl map; rewrite !dot_cons, real_add.
      pose proof (bend_line_sound _ _ _ _ _ Hb L); unfold first in *; simpl in *; lra.
Qed.
End Sound.
