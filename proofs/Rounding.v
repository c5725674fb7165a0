(** The error of sums of products in binary32, over Flocq's binary32: whatever tree adds
    the products up, with or without fused operations, with subnormals kept or flushed at
    each operation. This is what the domain FP32 assumes of dense layers and products of
    arrays (domains/fp32/_contraction.py), and of elementwise operations.

    Nothing is assumed about overflow: where the result is finite, nothing overflowed. *)
From Coq Require Import ZArith Reals Lra Lia List Permutation.
From Flocq Require Import Core Relative BinarySingleNaN.
Import ListNotations.
Open Scope R_scope.

Notation float := (binary_float 24 128).
Notation real := (@B2R 24 128).
Definition prec24 : Prec_gt_0 24 := eq_refl.
Definition less128 : Prec_lt_emax 24 128 := eq_refl.
#[export] Existing Instance prec24.
#[export] Existing Instance less128.
Definition finite (x : float) : bool := is_finite x.

Definition u : R := / 2 * bpow radix2 (-23). (* 2^-24 *)
Definition tiny : R := bpow radix2 (-126). (* the least normal number *)
(** At most this is lost by flushing and by rounding to a subnormal. *)
Definition slip : R := tiny + / 2 * bpow radix2 (-149).

(** What an operation may give where its correctly rounded result is r: r, or a zero if r
    is not above the least normal number. *)
Definition gives (r r' : float) : Prop :=
  r' = r \/ (finite r = true /\ Rabs (real r) <= tiny /\ finite r' = true /\ real r' = 0).

(** ** One operation *)
Definition plus := @Bplus 24 128 _ _ mode_NE.
Definition mult := @Bmult 24 128 _ _ mode_NE.
Definition fused := @Bfma 24 128 _ _ mode_NE.
Definition quotient := @Bdiv 24 128 _ _ mode_NE.
Definition root := @Bsqrt 24 128 _ _ mode_NE.
Definition rounded (x : R) : R :=
  round radix2 (SpecFloat.fexp 24 128) (round_mode mode_NE) x.

Lemma rounded_error x : Rabs (rounded x - x) <= u * Rabs x + / 2 * bpow radix2 (-149).
Proof.
  destruct (error_N_FLT radix2 (-149) 24 eq_refl (fun z => negb (Z.even z)) x)
    as (eps & eta & He & Ht & _ & E).
  change (round radix2 (FLT_exp (-149) 24) (Znearest (fun z => negb (Z.even z))) x)
    with (rounded x) in E.
  rewrite E; replace (x * (1 + eps) + eta - x) with (eps * x + eta) by ring.
  eapply Rle_trans; [apply Rabs_triang |]; rewrite Rabs_mult.
  change (- (24) + 1)%Z with (-23)%Z in He; unfold u.
  pose proof (Rabs_pos x); nra.
Qed.
Lemma gives_finite r r' : gives r r' -> finite r' = true -> finite r = true.
Proof. intros [-> | (H & _)]; auto. Qed.
Lemma gives_error r r' x : gives r r' -> real r = rounded x ->
  Rabs (real r' - x) <= u * Rabs x + slip.
Proof.
  pose proof (rounded_error x) as E; unfold slip.
  assert (P : 0 < tiny) by apply bpow_gt_0.
  intros [-> | (_ & T & _ & ->)] H; rewrite <- H in E; [lra |].
  replace (0 - x) with ((real r - x) - real r) by ring.
  eapply Rle_trans; [apply Rabs_triang |]; rewrite Rabs_Ropp; lra.
Qed.

(** A finite result comes from finite operands, and is the rounded real one. *)
Lemma plus_finite x y : finite (plus x y) = true ->
  finite x = true /\ finite y = true /\ real (plus x y) = rounded (real x + real y).
Proof.
  intros H; assert (F : finite x = true /\ finite y = true).
  { destruct x as [s | s | | s m e B], y as [s' | s' | | s' m' e' B'];
      try (split; reflexivity); simpl in H; try discriminate;
      destruct (Bool.eqb _ _); discriminate. }
  destruct F as (Fx & Fy); split; [exact Fx |]; split; [exact Fy |].
  pose proof (Bplus_correct 24 128 _ _ mode_NE x y Fx Fy) as C.
  destruct (Rlt_bool _ _); [exact (proj1 C) |]; destruct C as [C _].
  unfold finite, plus in H; rewrite <- is_finite_SF_B2SF, C in H; discriminate.
Qed.
Lemma mult_finite x y : finite (mult x y) = true ->
  finite x = true /\ finite y = true /\ real (mult x y) = rounded (real x * real y).
Proof.
  intros H; assert (F : finite x = true /\ finite y = true).
  { destruct x as [s | s | | s m e B], y as [s' | s' | | s' m' e' B'];
      try (split; reflexivity); discriminate. }
  destruct F as (Fx & Fy); split; [exact Fx |]; split; [exact Fy |].
  pose proof (Bmult_correct 24 128 _ _ mode_NE x y) as C.
  destruct (Rlt_bool _ _); [exact (proj1 C) |].
  unfold finite, mult in H; rewrite <- is_finite_SF_B2SF, C in H; discriminate.
Qed.
Lemma fused_finite x y z : finite (fused x y z) = true ->
  finite x = true /\ finite y = true /\ finite z = true
  /\ real (fused x y z) = rounded (real x * real y + real z).
Proof.
  intros H; assert (F : finite x = true /\ finite y = true /\ finite z = true).
  { destruct x as [s | s | | s m e B], y as [s' | s' | | s' m' e' B'],
      z as [t | t | | t n f D]; try (repeat split; reflexivity); simpl in H;
      try discriminate; destruct (Bool.eqb _ _); discriminate. }
  destruct F as (Fx & Fy & Fz); split; [exact Fx |]; split; [exact Fy |].
  split; [exact Fz |].
  pose proof (Bfma_correct 24 128 _ _ mode_NE x y z Fx Fy Fz) as C; cbv zeta in C.
  destruct (Rlt_bool _ _); [exact (proj1 C) |].
  unfold finite, fused in H; rewrite <- is_finite_SF_B2SF, C in H; discriminate.
Qed.
Lemma quotient_finite x y : finite x = true -> real y <> 0 ->
  finite (quotient x y) = true -> real (quotient x y) = rounded (real x / real y).
Proof.
  intros Fx Hy H; pose proof (Bdiv_correct 24 128 _ _ mode_NE x y Hy) as C.
  destruct (Rlt_bool _ _); [exact (proj1 C) |].
  unfold finite, quotient in H; rewrite <- is_finite_SF_B2SF, C in H; discriminate.
Qed.
Lemma root_rounded x : real (root x) = rounded (sqrt (real x)).
Proof. exact (proj1 (Bsqrt_correct 24 128 _ _ mode_NE x)). Qed.

(** Elementwise operations: the error of each is at most u times the exact result, and
    [slip] more. *)
Theorem elementwise x y z r : finite r = true ->
  (gives (plus x y) r -> Rabs (real r - (real x + real y))
     <= u * Rabs (real x + real y) + slip)
  /\ (gives (mult x y) r -> Rabs (real r - real x * real y)
     <= u * Rabs (real x * real y) + slip)
  /\ (gives (fused x y z) r -> Rabs (real r - (real x * real y + real z))
     <= u * Rabs (real x * real y + real z) + slip)
  /\ (finite x = true -> real y <> 0 -> gives (quotient x y) r ->
     Rabs (real r - real x / real y) <= u * Rabs (real x / real y) + slip)
  /\ (gives (root x) r -> Rabs (real r - sqrt (real x)) <= u * Rabs (sqrt (real x)) + slip).
Proof.
  intros F; split; [| split; [| split; [| split]]].
  - intros G; apply (gives_error _ _ _ G).
    exact (proj2 (proj2 (plus_finite _ _ (gives_finite _ _ G F)))).
  - intros G; apply (gives_error _ _ _ G).
    exact (proj2 (proj2 (mult_finite _ _ (gives_finite _ _ G F)))).
  - intros G; apply (gives_error _ _ _ G).
    exact (proj2 (proj2 (proj2 (fused_finite _ _ _ (gives_finite _ _ G F))))).
  - intros Fx Hy G; apply (gives_error _ _ _ G).
    exact (quotient_finite _ _ Fx Hy (gives_finite _ _ G F)).
  - intros G; exact (gives_error _ _ _ G (root_rounded x)).
Qed.

(** ** Sums of products: every tree. A term is a product or a number (a bias, with which
    an accumulator starts). A sum that starts at 0 has the tree without that 0. Factors
    are what is read: a subnormal one that is flushed on the way in is the factor 0. What
    is flushed on the way into a sum is flushed where it came from. *)
Inductive term := Product (a b : float) | Given (c : float).
Inductive tree :=
| Alone (t : term)
| Sum (s t : tree)
| Chained (a b : float) (t : tree). (* a * b + t, rounded once *)
Fixpoint terms (t : tree) : list term :=
  match t with
  | Alone x => [x]
  | Sum s t => terms s ++ terms t
  | Chained a b t => Product a b :: terms t
  end.
Inductive runs : tree -> float -> Prop :=
| runs_product a b r : gives (mult a b) r -> runs (Alone (Product a b)) r
| runs_given c r : gives c r -> runs (Alone (Given c)) r
| runs_sum s t x y r : runs s x -> runs t y -> gives (plus x y) r -> runs (Sum s t) r
| runs_chained a b t x r : runs t x -> gives (fused a b x) r -> runs (Chained a b t) r.

Definition meant (x : term) : R :=
  match x with Product a b => real a * real b | Given c => real c end.
Definition exact (l : list term) : R := fold_right (fun x s => meant x + s) 0 l.
Definition size (l : list term) : R := fold_right (fun x s => Rabs (meant x) + s) 0 l.
Definition bound (K : nat) (S : R) : R :=
  ((1 + u) ^ K - 1) * S + (2 * INR K - 1) * (1 + u) ^ (K - 1) * slip.

Lemma u_pos : 0 < u.
Proof. unfold u; pose proof (bpow_gt_0 radix2 (-23)); lra. Qed.
Lemma slip_pos : 0 < slip.
Proof.
  unfold slip, tiny; pose proof (bpow_gt_0 radix2 (-126)).
  pose proof (bpow_gt_0 radix2 (-149)); lra.
Qed.
Lemma exact_app l m : exact (l ++ m) = exact l + exact m.
Proof. induction l as [| x l IH]; simpl; [ring | rewrite IH; ring]. Qed.
Lemma size_app l m : size (l ++ m) = size l + size m.
Proof. induction l as [| x l IH]; simpl; [ring | rewrite IH; ring]. Qed.
Lemma exact_size l : Rabs (exact l) <= size l.
Proof.
  induction l as [| x l IH]; simpl; [rewrite Rabs_R0; lra |].
  eapply Rle_trans; [apply Rabs_triang |]; lra.
Qed.
Lemma exact_order l m : Permutation l m -> exact l = exact m.
Proof. induction 1; simpl; lra. Qed.
Lemma size_order l m : Permutation l m -> size l = size m.
Proof. induction 1; simpl; lra. Qed.
Lemma terms_some t : (1 <= length (terms t))%nat.
Proof. induction t; simpl; rewrite ?app_length; lia. Qed.
Lemma power_up i j : (i <= j)%nat -> (1 + u) ^ i <= (1 + u) ^ j.
Proof. intros H; apply Rle_pow; [pose proof u_pos; lra | exact H]. Qed.
Lemma power_1 i : 1 <= (1 + u) ^ i.
Proof. apply (power_up 0 i); lia. Qed.

(** One more rounding, with what either operand brings along. *)
Lemma carried K L S : (1 <= K)%nat -> (1 <= L)%nat -> 0 <= S ->
  (1 + u) * bound K S <= ((1 + u) ^ (K + L) - (1 + u)) * S
                         + (2 * INR K - 1) * (1 + u) ^ (K + L - 1) * slip.
Proof.
  intros HK HL HS; unfold bound.
  assert (E1 : (1 + u) * (1 + u) ^ K <= (1 + u) ^ (K + L))
    by (rewrite tech_pow_Rmult; apply power_up; lia).
  assert (E2 : (1 + u) * (1 + u) ^ (K - 1) <= (1 + u) ^ (K + L - 1)).
  { rewrite tech_pow_Rmult; apply power_up; lia. }
  assert (N : 1 <= INR K) by (apply (le_INR 1); exact HK).
  pose proof slip_pos as P.
  apply Rle_trans with (((1 + u) * (1 + u) ^ K - (1 + u)) * S
    + (2 * INR K - 1) * ((1 + u) * (1 + u) ^ (K - 1)) * slip); [right; ring |].
  apply Rplus_le_compat.
  - apply Rmult_le_compat_r; lra.
  - apply Rmult_le_compat_r; [lra |]; apply Rmult_le_compat_l; lra.
Qed.
Lemma combined K L S T v w x y r : (1 <= K)%nat -> (1 <= L)%nat ->
  Rabs x <= S -> Rabs y <= T -> Rabs (v - x) <= bound K S -> Rabs (w - y) <= bound L T ->
  Rabs (r - (v + w)) <= u * Rabs (v + w) + slip ->
  Rabs (r - (x + y)) <= bound (K + L) (S + T).
Proof.
  intros HK HL Hx Hy Hv Hw Hr.
  assert (A : Rabs (v + w) <= S + T + (bound K S + bound L T)).
  { replace (v + w) with ((x + y) + ((v - x) + (w - y))) by ring.
    eapply Rle_trans; [apply Rabs_triang |]; apply Rplus_le_compat;
      (eapply Rle_trans; [apply Rabs_triang |]); lra. }
  assert (B : Rabs (r - (x + y)) <= u * Rabs (v + w) + slip + (bound K S + bound L T)).
  { replace (r - (x + y)) with ((r - (v + w)) + ((v - x) + (w - y))) by ring.
    eapply Rle_trans; [apply Rabs_triang |]; apply Rplus_le_compat; [exact Hr |].
    eapply Rle_trans; [apply Rabs_triang |]; lra. }
  pose proof (Rabs_pos x); pose proof (Rabs_pos y).
  pose proof (carried K L S HK HL ltac:(lra)) as C1.
  pose proof (carried L K T HL HK ltac:(lra)) as C2.
  rewrite (Nat.add_comm L K) in C2; unfold bound at 1; rewrite plus_INR.
  pose proof u_pos as U; pose proof slip_pos as P.
  pose proof (power_1 (K + L - 1)) as Q.
  set (q := (1 + u) ^ (K + L - 1)) in *; set (p := (1 + u) ^ (K + L)) in *.
  pose proof (Rmult_le_compat_l u _ _ (Rlt_le _ _ U) A); nra.
Qed.

(** ** The theorem: K terms, added up in any order and any grouping. *)
Lemma tree_error t r : runs t r -> finite r = true ->
  Rabs (real r - exact (terms t)) <= bound (length (terms t)) (size (terms t)).
Proof.
  pose proof u_pos as U; pose proof slip_pos as P.
  induction 1 as [a b r G | c r G | s t x y r Hs IHs Ht IHt G | a b t x r Ht IHt G];
    intros F; pose proof F as Fr.
  - pose proof (proj1 (proj2 (elementwise a b a r F)) G) as E.
    unfold bound; simpl in *; rewrite !Rplus_0_r; lra.
  - unfold bound; simpl; rewrite !Rplus_0_r; pose proof (Rabs_pos (real c)).
    assert (Z : / 2 * bpow radix2 (-149) > 0)
      by (pose proof (bpow_gt_0 radix2 (-149)); lra).
    destruct G as [-> | (_ & T & _ & ->)]; [rewrite Rminus_diag_eq, Rabs_R0 by reflexivity |
      rewrite Rminus_0_l, Rabs_Ropp; unfold slip in *]; nra.
  - destruct (plus_finite _ _ (gives_finite _ _ G F)) as (Fx & Fy & _).
    simpl; rewrite exact_app, size_app, app_length.
    apply combined with (v := real x) (w := real y);
      auto using terms_some, exact_size; exact (proj1 (elementwise x y x r Fr) G).
  - destruct (fused_finite _ _ _ (gives_finite _ _ G F)) as (_ & _ & Fx & _); simpl.
    apply (combined 1) with (v := real a * real b) (w := real x);
      auto using terms_some, exact_size; [lra | |].
    + rewrite Rminus_diag_eq, Rabs_R0 by reflexivity; unfold bound; simpl.
      pose proof (Rabs_pos (real a * real b)); nra.
    + exact (proj1 (proj2 (proj2 (elementwise a b x r Fr))) G).
Qed.

Theorem any_order l t r : Permutation (terms t) l -> runs t r -> finite r = true ->
  Rabs (real r - exact l) <= bound (length l) (size l).
Proof.
  intros H Hr F; rewrite <- (exact_order _ _ H), <- (size_order _ _ H).
  rewrite <- (Permutation_length H); apply tree_error; assumption.
Qed.

(** What domains/fp32/_contraction.py adds for underflow, 4 (K + 1) times the least normal
    number, is enough up to 2^23 terms. *)
Lemma power_bound n : (1 + u) ^ n * (1 - INR n * u) <= 1.
Proof.
  pose proof u_pos; induction n as [| n IH]; [simpl; lra |].
  rewrite S_INR; simpl; pose proof (power_1 n); pose proof (pos_INR n); nra.
Qed.
Lemma u_is : u = / 16777216.
Proof. unfold u; simpl; lra. Qed.
Lemma slip_is : slip = tiny * (1 + / 16777216).
Proof.
  unfold slip, tiny; change (-149)%Z with (-23 + -126)%Z.
  rewrite bpow_plus; simpl (bpow radix2 (-23)); lra.
Qed.
Theorem any_order_as_computed l t r : (Z.of_nat (length l) <= 2 ^ 23)%Z ->
  Permutation (terms t) l -> runs t r -> finite r = true ->
  Rabs (real r - exact l)
  <= ((1 + u) ^ length l - 1) * size l + 4 * (INR (length l) + 1) * tiny.
Proof.
  intros Hn H Hr F; eapply Rle_trans; [apply (any_order l t r H Hr F) |].
  unfold bound; apply Rplus_le_compat_l.
  assert (N1 : 1 <= INR (length l)).
  { rewrite <- (Permutation_length H); apply (le_INR 1), terms_some. }
  assert (N : INR (length l) <= 8388608).
  { rewrite INR_IZR_INZ; apply IZR_le, Hn. }
  assert (Q : (1 + u) ^ (length l - 1) <= 2).
  { pose proof (power_bound (length l)) as B; rewrite u_is in B at 2.
    pose proof (power_up (length l - 1) (length l) ltac:(lia)).
    pose proof (power_1 (length l)); nra. }
  pose proof (power_1 (length l - 1)) as Q1; rewrite slip_is.
  assert (T : 0 < tiny) by apply bpow_gt_0.
  set (q := (1 + u) ^ (length l - 1)) in *; set (k := INR (length l)) in *.
  apply Rle_trans with ((2 * k - 1) * 2 * (tiny * (1 + / 16777216))).
  - apply Rmult_le_compat_r; [nra |]; apply Rmult_le_compat_l; lra.
  - apply Rle_trans with (tiny * ((4 * k - 2) * (1 + / 16777216))); [right; ring |].
    rewrite (Rmult_comm _ tiny); apply Rmult_le_compat_l; lra.
Qed.
